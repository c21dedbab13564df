"""A small EEG study in BIDS as a lab has it: BrainVision files, one session in four runs, columns of its own.

Nothing here is made with the library, so that what it reads is what it was not made for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PICTURES, PEOPLE, RUNS, REPETITIONS = 30, 3, 4, 4
RATE_HZ, GAP_S = 250, 0.8
#: The screen shows a picture so much later than the trigger says.
DELAY_S = 0.024
BAD_CHANNEL = "T7"
MONTAGE = mne.channels.make_standard_montage("colin27_1020")
# fmt: off
CHANNELS = [
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "FC5", "FC1", "FC2", "FC6", "T7", "C3", "Cz", "C4", "T8", "TP9",
    "CP5", "CP1", "CP2", "CP6", "TP10", "P7", "P3", "Pz", "P4", "P8", "PO9", "O1", "Oz", "O2", "PO10",
]
# fmt: on
# When responses to shape and to colour peak, and how wide they are, in seconds.
PEAKS_S, WIDTH_S = (0.12, 0.25), 0.04
SHAPES = ("disc", "square", "triangle", "ring", "bar")
COLOURS = ("red", "green", "blue", "gold", "white", "black")


def make(folder: Path, seed: int = 0) -> list[str]:
    """Write the pictures and the data set; give the names of the pictures."""
    random = np.random.default_rng(seed)
    names = _draw_pictures(folder / "pictures", random)
    bids = folder / "eeg_bids"
    bids.mkdir(parents=True)
    _write_json(bids / "dataset_description.json", {"Name": "Objects", "BIDSVersion": "1.8.0"})
    people = [f"sub-{number:02d}" for number in range(1, PEOPLE + 1)]
    pd.DataFrame({"participant_id": people}).to_csv(bids / "participants.tsv", sep="\t", index=False)
    # every shape and every colour has its topography, which is only partly the same in everybody
    common = _topographies(random)
    for person in people:
        own = 0.6 * common + 0.8 * _topographies(random)
        for run in range(1, RUNS + 1):
            _record(bids, person, run, names, own, random)
    return names


def _draw_pictures(folder: Path, random: np.random.Generator) -> list[str]:
    """Photograph-like pictures that are wider than high, in folders of their shape."""
    names = []
    for number in range(PICTURES):
        shape, colour = SHAPES[number % len(SHAPES)], COLOURS[number // len(SHAPES)]
        picture = Image.fromarray(random.integers(90, 150, (120, 160, 3), dtype=np.uint8))
        _paint(ImageDraw.Draw(picture), shape, colour)
        name = f"{colour}_{shape}"
        path = folder / shape / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        names.append(name)
    return names


def _paint(draw: ImageDraw.ImageDraw, shape: str, colour: str) -> None:
    box = (50, 30, 110, 90)
    if shape == "disc":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    elif shape == "triangle":
        draw.polygon([(80, 25), (45, 90), (115, 90)], fill=colour)
    elif shape == "ring":
        draw.ellipse(box, outline=colour, width=14)
    else:
        draw.rectangle((20, 50, 140, 70), fill=colour)


def _topographies(random: np.random.Generator) -> NDArray[np.float64]:
    """Topographies that are smooth over the head: (shapes and colours, channels)."""
    places = np.array([MONTAGE.get_positions()["ch_pos"][name] for name in CHANNELS])
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    smooth = np.exp(-((distance / 0.05) ** 2))
    drawn: NDArray[np.float64] = random.normal(size=(len(SHAPES) + len(COLOURS), len(CHANNELS))) @ smooth
    return drawn / drawn.std(axis=1, keepdims=True)


def _record(
    bids: Path, person: str, run: int, names: list[str], own: NDArray[np.float64], random: np.random.Generator
) -> None:
    """Write a run: recording, sidecars, channels, events."""
    shown = [names[index] for index in np.concatenate([random.permutation(len(names)) for _ in range(REPETITIONS)])]
    # off the samples' raster, and with a pause in the middle
    onset = 2 + GAP_S * np.arange(len(shown)) + 3.0 * (np.arange(len(shown)) >= len(shown) // 2)
    onset = onset + random.uniform(0, 0.05, len(shown))
    seconds = onset[-1] + 3
    data = _noise(int(seconds * RATE_HZ), random)
    _add_responses(data[:, : len(CHANNELS)], shown, onset, own)
    data[:, CHANNELS.index(BAD_CHANNEL)] = 300 * random.normal(size=len(data))
    stem = bids / person / "eeg" / f"{person}_task-objects_run-{run}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    _write_brainvision(Path(f"{stem}_eeg"), data)
    _write_json(
        Path(f"{stem}_eeg.json"),
        {
            "TaskName": "objects", "EEGReference": "FCz", "SamplingFrequency": RATE_HZ, "PowerLineFrequency": 50,
            "SoftwareFilters": "n/a", "EEGChannelCount": len(CHANNELS), "EOGChannelCount": 1,
            "RecordingType": "continuous",
        },
    )  # fmt: skip
    _write_tables(stem, shown, onset, run)


def _noise(samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Noise that changes slowly, mains and blinks, in microvolts: (samples, channels and the eye channel)."""
    channels = len(CHANNELS) + 1
    white = random.normal(size=(samples, channels))
    slow = np.cumsum(random.normal(size=(samples, 6)), axis=0)
    slow -= np.linspace(0, 1, samples)[:, None] * slow[-1]
    data: NDArray[np.float64] = 4 * white + 0.4 * slow @ random.normal(size=(6, channels))
    time = np.arange(samples) / RATE_HZ
    data += 5 * np.sin(2 * np.pi * 50 * time)[:, None]
    blinks = np.zeros(samples)
    for second in np.arange(3, time[-1] - 1, 7.3):
        blinks += 150 * np.exp(-(((time - second) / 0.08) ** 2))
    data[:, :2] += blinks[:, None]
    data[:, -1] += 2 * blinks
    return data


def _add_responses(
    data: NDArray[np.float64], shown: list[str], onset: NDArray[np.float64], own: NDArray[np.float64]
) -> None:
    time = np.arange(len(data)) / RATE_HZ
    for name, start in zip(shown, onset + DELAY_S, strict=True):
        colour, shape = name.split("_")
        near = slice(int(start * RATE_HZ), int((start + 0.5) * RATE_HZ))
        for pattern, peak in zip(
            (own[SHAPES.index(shape)], own[len(SHAPES) + COLOURS.index(colour)]), PEAKS_S, strict=True
        ):
            course = np.exp(-(((time[near] - start - peak) / WIDTH_S) ** 2))
            data[near] += 2.5 * course[:, None] * pattern[None]


def _write_brainvision(stem: Path, data: NDArray[np.float64]) -> None:
    """Write microvolts as BrainVision's three files."""
    data.astype("<f4").tofile(stem.with_suffix(".eeg"))
    listed = "\n".join(f"Ch{number}={name},,1,µV" for number, name in enumerate([*CHANNELS, "VEOG"], start=1))
    stem.with_suffix(".vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={stem.name}.eeg\nMarkerFile={stem.name}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(CHANNELS) + 1}\nSamplingInterval={1e6 / RATE_HZ:g}\n\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n\n[Channel Infos]\n{listed}\n"
    )
    stem.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={stem.name}.eeg\n\n[Marker Infos]\nMk1=New Segment,,1,1,0,20260101120000000000\n"
    )


def _write_tables(stem: Path, shown: list[str], onset: NDArray[np.float64], run: int) -> None:
    channels = pd.DataFrame({"name": [*CHANNELS, "VEOG"], "type": ["EEG"] * len(CHANNELS) + ["VEOG"], "units": "µV"})
    channels["status"] = ["bad" if name == BAD_CHANNEL else "good" for name in channels["name"]]
    channels.to_csv(f"{stem}_channels.tsv", sep="\t", index=False)
    trials = pd.DataFrame(
        {
            "onset": onset,
            "duration": 0.5,
            "trial_type": "picture",
            "stim_file": [f"pictures/{name.split('_')[1]}/{name}.jpg" for name in shown],
        }
    )
    # people also press a button now and then
    presses = pd.DataFrame({"onset": onset[::10] + 0.3, "duration": 0.0, "trial_type": "press", "stim_file": "n/a"})
    events = pd.concat([trials, presses]).sort_values("onset").assign(block=run)
    events.round(4).to_csv(f"{stem}_events.tsv", sep="\t", index=False)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
