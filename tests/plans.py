"""What the cluster profile would submit, read from a dry run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tests.conftest import ROOT


@dataclass(frozen=True)
class Planned:
    """A job of a plan.

    Attributes
    ----------
    rule
        Its name.
    makes
        Whether it makes files, or only stands for those of others.
    benchmark
        File with what it took, once it has run.
    resources
        What it asks for, in Snakemake's words.
    """

    rule: str
    makes: bool
    benchmark: Path | None
    resources: Mapping[str, str]


def plan(*targets: str, configfile: Path, **site: str) -> list[Planned]:
    """All jobs behind some targets of a study of which nothing is there; `site` are variables of the environment."""
    words = ("--profile", "slurm", "-n", "--forceall", *targets, "--configfile", str(configfile))
    blocks = re.split(r"^ *rule (\w+):$", say(*words, **site), flags=re.MULTILINE)[1:]
    return [_read(rule, text) for rule, text in zip(blocks[::2], blocks[1::2], strict=True)]


def exceeding(planned: list[Planned], folder: Path) -> list[str]:
    """Jobs that took more memory, when they were run in a folder, than they ask for at first, and how much."""
    found = []
    for job in planned:
        if job.benchmark and (folder / job.benchmark).exists():
            # a short job may end before its memory is looked at
            taken = pd.read_csv(folder / job.benchmark, sep="\t", na_values="-")["max_rss"].max()
            if taken > int(job.resources["mem_mb"]):
                found.append(f"{job.benchmark}: {taken:.0f} MB")
    return found


def list_rules(what: str, configfile: Path) -> list[str]:
    """Names of rules, by one of Snakemake's options that list them."""
    return [line for line in say(what, "--configfile", str(configfile)).splitlines() if line.isidentifier()]


def say(*words: str, **site: str) -> str:
    """Give what Snakemake says in the repository."""
    job = subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=ROOT,
        env={**os.environ, **site},
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.returncode == 0, job.stdout + job.stderr
    return job.stdout + job.stderr


def _read(rule: str, text: str) -> Planned:
    lines = dict(re.findall(r"^ *(\w+): (.+)$", text, flags=re.MULTILINE))
    asked = dict(one.split("=", 1) for one in lines.get("resources", "").split(", ") if "=" in one)
    benchmark = Path(lines["benchmark"]) if "benchmark" in lines else None
    return Planned(rule, "output" in lines, benchmark, asked)
