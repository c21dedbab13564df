"""The guide's study of one's own data, in a copy of the repository."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests import eeg_study, small_clip
from tests.conftest import ROOT
from tests.tiny_study import copy_repository

CONFIG = Path("config/studies/objects.yaml")
RESULTS = Path("results/objects")
GUIDE = ROOT / "docs" / "your-own-data.md"
# What a test cannot wait for or download; all else is as the guide has it.
SMALL: dict[str, Any] = {
    "backbone": {"architecture": None, "weights": None, "folder": "clip"},
    "group_training": {"stage_1_epochs": 10, "stage_2_epochs": 2, "batch_size": 16},
    "individual_training": {"stage_1_epochs": 5, "stage_2_epochs": 2, "batch_size": 16},
    "reweighting": {"outer_folds": 2, "inner_folds": 2},
    "evaluation": {"resamples": 100, "permutations": 200},
    "saliency": {"images": 2, "masks": 50},
    "compute": {"device": "cpu"},
}


def blocks() -> list[dict[str, Any]]:
    """What the guide says is to be changed in a copy of the template, the whole study first."""
    found = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)]
    return [{"data": block} if set(block) <= {"recordings", "behavior"} else block for block in found]


def edited(*changes: dict[str, Any]) -> dict[str, Any]:
    """The template as a user edits it."""
    given = yaml.safe_load((ROOT / "config" / "studies" / "template.yaml").read_text())
    for change in changes:
        given = merged(given, change)
    return dict(given)


def merged(given: Any, change: Any) -> Any:
    """Put changes into settings; of a section of another kind nothing stays."""
    if not (isinstance(given, dict) and isinstance(change, dict)):
        return change
    kept = given if change.get("kind", given.get("kind")) == given.get("kind") else {}
    return {**kept, **{key: merged(kept.get(key), value) for key, value in change.items()}}


def prepare(folder: Path) -> None:
    """Copy the repository, put the recordings, the pictures and a small CLIP into it, and write the study's file."""
    copy_repository(folder)
    eeg_study.make(folder)
    small_clip.make_backbone(folder / "clip", context_length=77)
    shutil.copy(folder / "config/studies/template.yaml", folder / CONFIG)
    (folder / CONFIG).write_text(yaml.safe_dump(edited(blocks()[0], SMALL), sort_keys=False))
