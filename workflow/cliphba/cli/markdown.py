"""``cliphba markdown``: a main table for people to read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cliphba import tables
from cliphba.described import read_description
from cliphba.figures.catalogue import MAIN_TABLES

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    markdown = commands.add_parser("markdown", help="write a main table for people to read, as Markdown")
    markdown.add_argument("table", type=Path, metavar="TABLE", help="such as summary.parquet")
    markdown.add_argument(
        "--rows", choices=("headlines", "means", "each"), default="means",
        help="the most telling ones, all about all participants (default), or those about each participant, too",
    )  # fmt: skip
    markdown.set_defaults(run=_markdown)


def _markdown(given: argparse.Namespace) -> str:
    from cliphba import readable  # noqa: PLC0415

    kind = read_description(given.table).get("kind")
    if kind not in MAIN_TABLES:
        raise ValueError(f"{given.table} is none of the main tables: name one of {', '.join(MAIN_TABLES)}")
    return readable.markdown(tables.read(given.table, kind), rows=given.rows)
