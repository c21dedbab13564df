"""The tiny study in a copy of the repository, run as a user would run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT

CONFIG = Path("config/studies/tiny.yaml")
RESULTS = Path("results/tiny")


def run_in_copy(folder: Path) -> None:
    """Copy the repository and run the whole tiny study from nothing."""
    copy_repository(folder)
    snakemake(folder, "all")


def copy_repository(folder: Path) -> None:
    """Copy the repository without its history, its environment and its results."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "data", ".*_cache", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=ignored)


def command(*arguments: str, config: Path = CONFIG, changes: Sequence[Path] = ()) -> list[str]:
    """Words of a call of Snakemake on a study, the tiny one if none is named."""
    files = map(str, [config, *changes])
    return [sys.executable, "-m", "snakemake", "--cores", "8", *arguments, "--configfile", *files]


def snakemake(folder: Path, *arguments: str, config: Path = CONFIG, changes: Sequence[Path] = ()) -> str:
    """Run Snakemake in a copy of the repository and give what it said; fails the test if it fails."""
    words = command(*arguments, config=config, changes=changes)
    found = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr
