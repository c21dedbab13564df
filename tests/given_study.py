"""A small study of data that somebody gives: pictures, published RDMs or epochs, judgements; Snakemake upon it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import ROOT

PARTICIPANTS = ["sub-01", "sub-02", "sub-03"]
NAMES = [f"picture{number}" for number in range(1, 13)]
JUDGED = NAMES[::3]
GRID = {"start_ms": -100, "stop_ms": 300, "step_ms": 50}
#: Times of the epochs, at 200 Hz.
SECONDS = np.arange(-40, 81) / 200

RDMS = {
    "kind": "rdms", "file": "data/rdms.npy", "format": "numpy", "stimuli": "data/order.txt", "start_ms": -100,
    "step_ms": 10, "samples": 41,
}  # fmt: skip
EPOCHS = {
    "kind": "epochs", "files": "data/epochs/{participant}_epo.fif", "datatype": "eeg", "session_column": "day",
    "sessions": ["1", "2", "3", "4"],
    "events": {"stimulus": "file", "pattern": r"(\w+)\.png$", "names": "data/names.txt", "where": {"go": ["yes"]}},
}  # fmt: skip
TABLES = {"kind": "tables", "embedding": "data/embedding.csv", "rdm": "data/human.tsv"}
SET = {
    "name": "others", "images": "data/images", "pattern": r"(picture\d)\.png$", "count": 9,
    "participants": ["sub-A", "sub-B"],
    "rdms": {"file": "data/set.mat", "format": "matlab", "variable": "result_dsm", "start_ms": -100, "step_ms": 25,
             "samples": 41},
}  # fmt: skip


def settings(recordings: Mapping[str, Any], behavior: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    """Settings of a study of the files that `write_data` makes."""
    stimuli = {"images": "data/images", "training_images": 4, "validation_images": 4, "test_images": 4}
    return {
        "name": "given",
        "participants": PARTICIPANTS,
        "grid": GRID,
        "data": {"stimuli": {**stimuli, "split": "random"}, "recordings": recordings, "behavior": behavior},
        "backbone": {"folder": "data/backbone"},
        "saliency": {"images": 2},
        **others,
    }


def write_data(folder: Path) -> None:
    """Write everything but a backbone under ``data``."""
    random = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        path = folder / f"data/images/{number % 2}/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(path)
    with (folder / "data/rdms.npy").open("wb") as stream:
        np.save(stream, published(len(NAMES)))
    (folder / "data/order.txt").write_text("\n".join(NAMES[::-1]))
    embedding = pd.DataFrame(random.random((12, 4)), columns=[*"abcd"], index=pd.Index(NAMES, name="stimulus"))
    embedding.to_csv(folder / "data/embedding.csv")
    pairs = pd.DataFrame(itertools.combinations(JUDGED, 2), columns=["first", "second"])
    pairs.assign(value=random.random(6)).to_csv(folder / "data/human.tsv", sep="\t", index=False)


def published(stimuli: int) -> NDArray[np.float64]:
    """RDMs of three people at 41 times: (3, 41, stimuli, stimuli)."""
    values = np.random.default_rng(stimuli).uniform(0.4, 0.9, (3, 41, stimuli, stimuli))
    return (values + values.transpose(0, 1, 3, 2)) / 2


def write_epochs(folder: Path, participant: str) -> None:
    """Write EEG of four days, pictures evenly mixed, that tells pictures apart from 100 to 200 ms."""
    random = np.random.default_rng(1)
    numbers = range(1, len(NAMES) + 1)
    (folder / "data/names.txt").write_text("\n".join(NAMES))
    rows = [(f"stimuli/{number}.png", day, "yes") for day in range(1, 5) for number in numbers for _ in range(2)]
    table = pd.DataFrame(rows, columns=["file", "day", "go"]).sample(frac=1, random_state=1)
    table = pd.concat(
        [table, pd.DataFrame({"file": "stimuli/catch.png", "day": [1, 2], "go": "no"})], ignore_index=True
    )
    info = mne.create_info([f"E{number}" for number in range(6)] + ["trigger"], 200, ["eeg"] * 6 + ["stim"])
    with info._unlock():
        info["lowpass"] = 8.0
    data = random.normal(size=(len(table), 7, len(SECONDS)))
    pattern = dict(zip(table["file"].unique(), 8 * random.normal(size=(13, 7)), strict=True))
    late = (SECONDS >= 0.1) & (SECONDS <= 0.2)
    data[:, :, late] += np.array([pattern[file] for file in table["file"]])[:, :, None]
    path = folder / f"data/epochs/{participant.removeprefix('sub-')}_epo.fif"
    path.parent.mkdir(exist_ok=True)
    mne.EpochsArray(1e-6 * data, info, tmin=SECONDS[0], metadata=table, verbose="error").save(path, verbose="error")


def snakemake(folder: Path, study: Mapping[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    """Run the repository's workflow in a folder of its own."""
    (folder / "study.yaml").write_text(yaml.safe_dump(dict(study)))
    place = ["-s", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    command = [sys.executable, "-m", "snakemake", *place, *words, "--configfile", str(folder / "study.yaml")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
