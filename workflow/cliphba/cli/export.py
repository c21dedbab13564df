"""``cliphba export``: a model for other people and other software."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from cliphba.cli.common import add_images, add_model
from cliphba.config import ConfigurationError, load_study
from cliphba.pictures import find_pictures
from cliphba.sharing.parts import PARTS

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    export = commands.add_parser(
        "export", help="write a model for other people and other software, with a model card"
    )
    add_model(export)
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="new or empty folder to write to")
    export.add_argument(
        "--what", choices=PARTS, nargs="+", default=(),
        help="weights with adapters folded in for open_clip, adapters for peft, prompts and weights of blocks, the "
        "checkpoint, its backbone, RDMs for rsatoolbox; by default all that can be had. The card is always written",
    )  # fmt: skip
    add_images(export, "--images", help="images to make RDMs of: files, or folders of such with their subfolders")
    export.add_argument(
        "--summary", type=Path, metavar="TABLE", help="scores for the card, if not those in the model's study"
    )
    terms = export.add_mutually_exclusive_group()
    terms.add_argument(
        "--licence", metavar="TEXT", help="terms of the images, recordings and judgements that it was trained on"
    )
    terms.add_argument("--study", type=Path, metavar="STUDY", help="study file (YAML) that says these terms")
    export.set_defaults(run=_export)


def _export(given: argparse.Namespace) -> str:
    from cliphba.sharing.facts import gather  # noqa: PLC0415
    from cliphba.sharing.folder import CARD, share  # noqa: PLC0415

    images = find_pictures(given.images) if given.images else None
    licence = _licence_of(given.study) if given.study else given.licence
    facts = gather(given.model, backbone=given.backbone, summary=given.summary, licence=licence)
    written = share(facts, given.to, given.what, images=images, device=given.device)
    return f"{given.to}: {', '.join([CARD, *written])}"


def _licence_of(path: Path) -> str:
    try:
        study = load_study(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, UnicodeDecodeError, ConfigurationError) as error:
        raise ValueError(f"{path} is no study file (see `cliphba check {path}`)") from error
    if study.data is None or study.data.licence is None:
        raise ValueError(f"{path}: data.licence says nothing; write the terms there, or give them by --licence")
    return study.data.licence
