"""Small recordings with a known content, for tests of preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mne
import numpy as np
import pandas as pd

from cliphba.config import Preprocessing, TimeGrid
from cliphba.meg.events import select_trials
from cliphba.meg.preprocess import Preprocessed, Recording, prepare_channels, preprocess

RATE_HZ = 200.0
GRID = TimeGrid(start_ms=-100, stop_ms=600, step_ms=20)


def settings(**changes: Any) -> Preprocessing:
    """A band that the grid carries, and nothing rejected but what a test asks for."""
    return Preprocessing(**({"low_pass_hz": 20, "rejection_deviations": None} | changes))


def shown(trials: int = 40, stimuli: int = 8) -> pd.DataFrame:
    """Table of events: a picture every 0.8 s from the fifth second on."""
    onset = 5 + 0.8 * np.arange(trials)
    return pd.DataFrame({"onset": onset, "stimulus": [f"image-{number % stimuli}" for number in range(trials)]})


def record(
    events: pd.DataFrame, *, rate: float = RATE_HZ, kinds: Sequence[str] = ("mag", "mag", "eeg"), seed: int = 0
) -> mne.io.RawArray:
    """Noise, the mains, and in the first channel a pulse of 50 ms that is centred 200 ms after each onset."""
    generator = np.random.default_rng(seed)
    time = np.arange(int((events["onset"].max() + 6) * rate)) / rate
    data = 1e-15 * generator.normal(size=(len(kinds), len(time))) + 1e-12 * np.sin(2 * np.pi * 50 * time)
    lag = time[None] - events["onset"].to_numpy()[:, None] - 0.2
    data[0] += 1e-12 * np.exp(-0.5 * (lag / 0.05) ** 2).sum(axis=0)
    return mne.io.RawArray(data, mne.create_info(len(kinds), rate, list(kinds)), verbose="error")


def recording(
    raw: mne.io.BaseRaw, events: pd.DataFrame, session: str = "ses-01", run: str = "run-01", **choice: Any
) -> Recording:
    """A recording as it is read from a data set; `choice` are settings of its events."""
    return Recording(raw, select_trials(events, **choice), session, run)


def run(
    raw: mne.io.BaseRaw,
    events: pd.DataFrame,
    *,
    grid: TimeGrid = GRID,
    session: str = "ses-01",
    datatype: str = "meg",
    choice: dict[str, Any] | None = None,
    **changes: Any,
) -> Preprocessed:
    """Preprocess a single recording; `choice` are settings of its events, `changes` of preprocessing."""
    chosen = settings(**changes)
    one = recording(raw, events, session, **(choice or {}))
    channels = prepare_channels([one.raw], chosen, participant="sub-01", datatype=datatype)
    return preprocess(one, channels, chosen, grid)
