"""``cliphba embed``: images by a model, into a table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import cliphba
from cliphba import tables
from cliphba.cli.common import add_images, add_model, add_output, add_times, check_output
from cliphba.pictures import find_pictures

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    embed = commands.add_parser("embed", help="embed images by a model, into a table")
    add_model(embed)
    add_images(embed, "images")
    add_output(embed, "-o", "--output", required=True)
    add_times(embed)
    embed.set_defaults(run=_embed)


def _embed(given: argparse.Namespace) -> str:
    check_output(given.output, "embedding")
    images = find_pictures(given.images)
    model = cliphba.load(given.model, backbone=given.backbone, device=given.device)
    embedding = model.stream(list(images.values()), list(images), times_ms=given.times_ms)
    made_by = tables.provenance(settings={}, inputs={"model": given.model})
    tables.write_embedding_rows(embedding, given.output, model=given.model.stem, **made_by)
    times, dimensions = len(embedding.times_ms), len(model.dimensions)
    return f"{given.output}: {times} times, {len(images)} images, {dimensions} dimensions"
