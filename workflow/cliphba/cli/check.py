"""``cliphba check``: whether a study file is as it must be."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from cliphba.config import ConfigurationError, load_study

if TYPE_CHECKING:
    from cliphba.cli.common import Commands


def add_to(commands: Commands) -> None:
    """Describe the command."""
    check = commands.add_parser("check", help="check a study file")
    check.add_argument("study", type=Path, metavar="STUDY", help="YAML file of settings")
    check.set_defaults(run=_check)


def _check(given: argparse.Namespace) -> str:
    try:
        study = load_study(yaml.safe_load(given.study.read_text()))
    except yaml.YAMLError as error:
        raise ValueError(f"{given.study} is no YAML: {' '.join(str(error).split())}") from error
    except ConfigurationError as error:
        raise ValueError(f"{given.study}: {error}") from error
    return f"{given.study}: fine; study {study.name!r} with {len(study.participants)} participants"
