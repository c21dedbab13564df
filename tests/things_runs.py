"""The studies of THINGS-MEG, made small, in a copy of the repository: from raw data, from epochs, from RDMs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests import real_studies
from tests.small_clip import make_backbone
from tests.things_oracle import published_epochs, published_rdms, write_published_rdms
from tests.things_study import SmallThings, recordings, write_judgements, write_pictures, write_recordings
from tests.tiny_study import copy_repository

THINGS = SmallThings()
DATA_SET = Path("data/ds004212")
STEP_MS, STOP_MS = 10, 400
NUMBERED = [f"sub-P{number}" for number in THINGS.people]
# What the small studies change of their files: sizes, and nothing else.
GRID = {"stop_ms": STOP_MS, "step_ms": STEP_MS}
IMAGES = {"training_images": 18, "validation_images": 4, "test_images": 10}
FROM_RAW: dict[str, Any] = {
    "participants": THINGS.names,
    "grid": GRID,
    "data": {"stimuli": IMAGES, "recordings": {"sessions": ["01", "02", "03", "04"], "runs": ["01", "02"]}},
}
FROM_EPOCHS: dict[str, Any] = {
    "participants": NUMBERED,
    "grid": GRID,
    "data": {"stimuli": IMAGES, "recordings": {"sessions": ["1", "2", "3", "4"]}},
}
FROM_RDMS: dict[str, Any] = {
    "participants": NUMBERED,
    "grid": GRID,
    "data": {"stimuli": IMAGES, "recordings": {"step_ms": STEP_MS, "samples": (STOP_MS + 100) // STEP_MS + 1}},
}


def run_from_raw_data(folder: Path) -> None:
    """Copy the repository, put small data where the study has large ones, and run all of it."""
    copy_repository(folder)
    make_backbone(folder / real_studies.BACKBONE, context_length=77)
    write_pictures(THINGS, folder / "data/things/images")
    write_judgements(THINGS, folder / "data/things")
    write_recordings(THINGS, folder / DATA_SET)
    record(folder, "dataset", *sorted({f"{name}_ses-{session:02d}" for name, session, _ in recordings(THINGS)}))
    real_studies.run(folder, "things-meg", FROM_RAW, "all")


def publish(folder: Path) -> None:
    """Add what the data set publishes beside the raw data: epochs and RDMs, made by the recipes of its authors."""
    derived = folder / DATA_SET / "derivatives/preprocessed"
    derived.mkdir(parents=True, exist_ok=True)
    rdms = []
    for number, participant in zip(THINGS.people, THINGS.names, strict=True):
        epochs = published_epochs(
            THINGS, folder / DATA_SET, participant, stop_s=STOP_MS / 1000, step_s=STEP_MS / 1000
        )
        epochs.save(derived / f"preprocessed_P{number}-epo.fif", overwrite=True, verbose="error")
        rdms.append(published_rdms(epochs))
    write_published_rdms(np.array(rdms), folder / "data/things/validation-pairwise_decoding_RDM1854.mat")
    record(folder, *NUMBERED)


def record(folder: Path, *units: str) -> None:
    """Write down, as the rule that downloads them does, that some files are there."""
    fetched = folder / DATA_SET / "fetched"
    fetched.mkdir(exist_ok=True)
    for unit in units:
        (fetched / f"{unit}.json").write_text(json.dumps({"dataset": "ds004212", "version": "3.0.0", "files": []}))
