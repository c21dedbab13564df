"""Studies of real data, made small: a study's own file, and another that changes nothing but sizes, run by a user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cliphba import tables
from tests.tiny_study import snakemake

BACKBONE = "data/small-clip"
# What makes any study small: epochs, resamples, masks; nobody needs a GPU.
SMALL: dict[str, Any] = {
    "backbone": {"architecture": None, "weights": None, "folder": BACKBONE},
    "behavior_training": {"epochs": 5},
    "reweighting": {"outer_folds": 2, "inner_folds": 2},
    "group_training": {"batch_size": 8, "stage_1_epochs": 20, "stage_2_epochs": 2},
    "individual_training": {"batch_size": 8, "stage_1_epochs": 20, "stage_2_epochs": 2},
    "evaluation": {"resamples": 50, "permutations": 100},
    "saliency": {"images": 2, "masks": 50},
    "compute": {"device": "cpu"},
}


def run(repository: Path, study: str, sizes: Mapping[str, Any], *targets: str) -> str:
    """Run a study of config/studies/ with other sizes in a copy of the repository; fails the test if it fails."""
    changes = repository / f"{study}-small.yaml"
    changes.write_text(yaml.safe_dump({**SMALL, **sizes}))
    return snakemake(repository, *targets, config=Path(f"config/studies/{study}.yaml"), changes=[changes])


def summary(repository: Path, study: str) -> pd.DataFrame:
    """Read what a study found."""
    return tables.read(repository / f"results/{study}/summary.parquet", "summary")


def check_figures(repository: Path, study: str) -> None:
    """Assert that figures were drawn, and none of them is empty."""
    drawn = sorted((repository / f"results/{study}/figures").glob("*.svg"))
    assert len(drawn) > 10
    for figure in drawn:
        assert figure.stat().st_size > 1000
        assert figure.with_suffix(".png").stat().st_size > 1000
