"""``cliphba provenance``: what made a table or a checkpoint."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cliphba.described import read_description

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    provenance = commands.add_parser("provenance", help="tell what made a table or a checkpoint, as JSON")
    provenance.add_argument("file", type=Path, metavar="FILE", help="table (.parquet) or checkpoint (.safetensors)")
    provenance.set_defaults(run=_provenance)


def _provenance(given: argparse.Namespace) -> str:
    described = read_description(given.file)
    # what is in a table says nothing of what made it, and can be thousands of lines
    described.pop("stimuli", None)
    return json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False)
