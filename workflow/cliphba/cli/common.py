"""What several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cliphba.described import read_description

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

IMAGES = "image files, or folders of such with their subfolders; names without ending must differ"
TABLE = "Parquet table to write; an earlier one of the same kind is replaced"


class Said(NamedTuple):
    """What a command says that looked at something.

    Attributes
    ----------
    text
        Printed.
    failed
        Whether it is not as it should be.
    """

    text: str
    failed: bool


def add_model(command: argparse.ArgumentParser) -> None:
    """Let a command take a model, and its backbone."""
    command.add_argument("model", type=Path, metavar="MODEL", help="checkpoint (.safetensors)")
    add_backbone(command)


def add_backbone(command: argparse.ArgumentParser) -> None:
    """Let a command be told what models stand on, and where they run."""
    command.add_argument(
        "--backbone", type=Path, metavar="FOLDER", help="folder of the backbone, if not that of the model's study"
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="a GPU where there is one (default), or not"
    )


def add_images(command: argparse.ArgumentParser, name: str, help: str = IMAGES, **options: Any) -> None:
    """Let a command take images, as arguments or by an option."""
    command.add_argument(name, type=Path, nargs="+", metavar="IMAGE", help=help, **options)


def add_times(command: argparse.ArgumentParser) -> None:
    """Let a command be told at which times it is wanted."""
    command.add_argument(
        "--times-ms",
        type=float,
        nargs="+",
        metavar="TIME",
        help="times in ms after onset; by default all of the model",
    )


def add_output(command: argparse.ArgumentParser, *names: str, help: str = TABLE, **options: Any) -> None:
    """Let a command write a table."""
    command.add_argument(*names, type=Path, metavar="TABLE", help=help, **options)


def check_output(path: Path, kind: str) -> None:
    """Refuse, before any work, to write a table over what is no earlier one of its kind.

    Raises
    ------
    ValueError
        If the name does not end as tables do, or stands for something else already.
    """
    if path.suffix != ".parquet":
        raise ValueError(f"{path}: a Parquet table is written; give it a name that ends with .parquet")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a table")
    if path.exists() and read_description(path).get("kind") != kind:
        raise ValueError(f"{path} is there already and holds something else: name another table")
