"""``cliphba embed``: images by a model, into a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import cliphba
from cliphba import tables
from cliphba.cli.common import add_model

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    embed = commands.add_parser("embed", help="embed images by a model, into a table")
    add_model(embed)
    embed.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="image files whose names differ")
    embed.add_argument("--output", type=Path, required=True, metavar="TABLE", help="Parquet table to write")
    embed.set_defaults(run=_embed)


def _embed(given: argparse.Namespace) -> str:
    embedding = cliphba.load(given.model, backbone=given.backbone).embed(given.images)
    made_by = tables.provenance(settings={}, inputs={"model": given.model})
    tables.write_embedding(embedding, given.output, model=given.model.stem, **made_by)
    times, images, dimensions = embedding.values.shape
    return f"{given.output}: {times} times, {images} images, {dimensions} dimensions"
