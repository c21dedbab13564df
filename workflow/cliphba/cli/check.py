"""``cliphba check``: what is there of a study, what is wrong with it, and what it will take."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from cliphba.cli.common import Said

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    check = commands.add_parser(
        "check", help="look at a study before anything is computed: its data, problems, hours, memory, disk"
    )
    check.add_argument(
        "study", type=Path, nargs="+", metavar="STUDY",
        help="YAML file of settings; later files change single settings of earlier ones",
    )  # fmt: skip
    check.set_defaults(run=_check)


def _check(given: argparse.Namespace) -> Said:
    from cliphba.check.plan import Machine  # noqa: PLC0415
    from cliphba.check.settings import read_files  # noqa: PLC0415
    from cliphba.check.study import check  # noqa: PLC0415

    results = Path("results")
    # what readers say for logs stands in the report, as far as it is of use before anything is computed
    logger = logging.getLogger("cliphba")
    usual = logger.level
    logger.setLevel(logging.ERROR)
    try:
        report = check(read_files(given.study), results, Machine.here(results))
    finally:
        logger.setLevel(usual)
    return Said(report.text(), failed=report.fatal)
