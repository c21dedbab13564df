"""What several commands share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from cliphba import tables

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

METADATA_KEY = tables.METADATA_KEY.decode()


def add_model(command: argparse.ArgumentParser) -> None:
    """Let a command take a model, and its backbone."""
    command.add_argument("model", type=Path, metavar="MODEL", help="checkpoint (.safetensors)")
    command.add_argument(
        "--backbone", type=Path, metavar="FOLDER", help="folder of its backbone, if not that of the model's study"
    )


def metadata(path: Path) -> dict[str, Any]:
    """Read what a table or a checkpoint says of itself, without its values.

    Raises
    ------
    ValueError
        If the file is missing or neither of the two.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as stream:
                text = stream.metadata()[METADATA_KEY]
        else:
            text = pq.read_schema(path).metadata[METADATA_KEY.encode()]
    except (KeyError, TypeError, SafetensorError, pa.ArrowInvalid) as error:
        raise ValueError(f"{path} is no table and no checkpoint of this package: name one that is") from error
    found: dict[str, Any] = json.loads(text)
    return found
