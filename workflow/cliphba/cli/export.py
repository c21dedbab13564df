"""``cliphba export``: a model for other software."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cliphba.cli.common import add_model

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    export = commands.add_parser("export", help="write a model for other software")
    add_model(export)
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="new or empty folder to write to")
    export.add_argument(
        "--what", choices=("merged", "adapters"), default="merged",
        help="all weights with adapters folded in, for open_clip (default), or the adapters alone, for peft",
    )  # fmt: skip
    export.set_defaults(run=_export)


def _export(given: argparse.Namespace) -> str:
    from cliphba.models.checkpoint import find_backbone, read_checkpoint  # noqa: PLC0415
    from cliphba.models.export import export_adapters, export_merged  # noqa: PLC0415

    checkpoint = read_checkpoint(given.model)
    if given.what == "adapters":
        export_adapters(checkpoint, given.to)
    else:
        export_merged(checkpoint, find_backbone(given.model, checkpoint, given.backbone), given.to)
    return f"{given.to}: {given.what} of {given.model}"
