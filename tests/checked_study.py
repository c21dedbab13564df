"""A real study in small, right in everything that `cliphba check` looks at; tests spoil one thing each."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from PIL import Image

STIMULI = [f"picture{number:02d}" for number in range(1, 13)]
PEOPLE, SESSIONS = ["sub-01", "sub-02", "sub-03"], ["01", "02", "03", "04"]
RATE_HZ, ASYNCHRONY_S, START_S = 250, 0.8, 1.0
CHANNELS = {"MEG001": "mag", "MEG002": "mag", "MEG003": "mag", "EOG001": "eog", "ECG001": "ecg"}
DIMENSIONS = ["round", "red", "alive"]
SPLITS = ["train"] * 4 + ["validation"] * 4 + ["test"] * 4


def write(folder: Path) -> None:
    """Write all files of the study."""
    write_pictures(folder / "images")
    write_judgements(folder)
    for participant in PEOPLE:
        for session in SESSIONS:
            write_recording(folder / "bids", participant, session)
    (folder / "bids" / "dataset_description.json").write_text('{"Name": "small", "BIDSVersion": "1.9.0"}')


def settings() -> dict[str, Any]:
    """Give the settings of the study, whose paths begin at its folder."""
    return {
        "name": "small",
        "participants": list(PEOPLE),
        "grid": {"start_ms": -100, "stop_ms": 500, "step_ms": 10},
        "data": {
            "stimuli": {
                "images": "images",
                "split": "in_order",
                "training_images": 4,
                "validation_images": 4,
                "test_images": 4,
            },
            "recordings": {
                "kind": "bids",
                "root": "bids",
                "task": "pictures",
                "sessions": list(SESSIONS),
                "size": {"sensors": 3, "sampling_rate_hz": RATE_HZ, "trials": 24},
            },
            "behavior": {
                "kind": "tables",
                "embedding": "embedding.tsv",
                "triplets": "triplets.tsv",
            },
        },
        "backbone": {"architecture": "ViT-B-32-quickgelu", "weights": "openai"},
        # four training images cannot be cross-validated
        "protocol": {"initial_reweighting": "last_block"},
        "compute": {"device": "cpu"},
    }


def write_pictures(folder: Path) -> None:
    """Write pictures of several sizes and colours, all of which are right."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number, name in enumerate(STIMULI):
        pixels = random.integers(256, size=(40, 30 + number % 2, 3), dtype=np.uint8)
        mode, ending = [("RGB", "jpg"), ("L", "jpg"), ("RGBA", "png"), ("P", "gif")][number % 4]
        Image.fromarray(pixels).convert(mode).save(folder / f"{name}.{ending}")


def write_judgements(folder: Path) -> None:
    """Write an embedding of all pictures, and a judgement of every triplet of test images."""
    values = np.random.default_rng(1).gamma(1, 1, (len(STIMULI), len(DIMENSIONS)))
    embedding = pd.DataFrame(values, index=pd.Index(STIMULI, name="stimulus"), columns=DIMENSIONS)
    embedding.to_csv(folder / "embedding.tsv", sep="\t")
    triplets = pd.DataFrame(list(itertools.combinations(STIMULI[8:], 3)), columns=["first", "second", "odd"])
    triplets.to_csv(folder / "triplets.tsv", sep="\t", index=False)


def write_recording(root: Path, participant: str, session: str, *, run: str | None = None) -> None:
    """Write a recording of two trials of each picture, with the files that BIDS wants beside it."""
    folder = root / participant / f"ses-{session}" / "meg"
    folder.mkdir(parents=True, exist_ok=True)
    names = [participant, f"ses-{session}", "task-pictures", *([f"run-{run}"] if run else [])]
    stem = folder / "_".join(names)
    shown = STIMULI * 2
    seconds = 2 * START_S + ASYNCHRONY_S * len(shown)
    save_raw(Path(f"{stem}_meg.fif"), seconds=seconds)
    onset = START_S + ASYNCHRONY_S * np.arange(len(shown))
    events = pd.DataFrame({"onset": onset, "duration": 0.5, "trial_type": "exp", "stimulus": shown})
    events.to_csv(f"{stem}_events.tsv", sep="\t", index=False)
    channels = pd.DataFrame({"name": list(CHANNELS), "type": ["MEGMAG"] * 3 + ["EOG", "ECG"], "units": "T"})
    channels.assign(status="good").to_csv(f"{stem}_channels.tsv", sep="\t", index=False)
    sidecar = {
        "TaskName": "pictures",
        "SamplingFrequency": RATE_HZ,
        "PowerLineFrequency": 50,
        "SoftwareFilters": "n/a",
    }
    Path(f"{stem}_meg.json").write_text(json.dumps(sidecar | {"RecordingDuration": seconds}))


def save_raw(
    path: Path, *, seconds: float = 22, rate_hz: float = RATE_HZ, channels: dict[str, str] | None = None
) -> None:
    """Write a recording of nothing but noise."""
    channels = channels or CHANNELS
    info = mne.create_info(list(channels), rate_hz, list(channels.values()))
    samples = np.random.default_rng(2).normal(0, 1e-13, (len(channels), round(seconds * rate_hz)))
    mne.io.RawArray(samples, info, verbose="error").save(path, overwrite=True, verbose="error")
