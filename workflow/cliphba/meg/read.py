"""Epochs of several sessions as one set of patterns, read a few time points at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.meg.preprocess import baseline_spread


@dataclass(frozen=True)
class Sessions:
    """Epochs of several sessions of one participant, on disk or in memory, alike in channels and times.

    Attributes
    ----------
    epochs
        Of each session.
    channels
        Names of those that all sessions have.
    spread
        Of each session: standard deviation of every channel before the stimulus.
    trials
        ``stimulus``, ``session`` and ``trial`` of each trial, session after session.
    times_ms
        (times,) from the onset.
    """

    epochs: Sequence[mne.BaseEpochs]
    channels: Sequence[str]
    spread: Sequence[NDArray[np.float64]]
    trials: pd.DataFrame
    times_ms: NDArray[np.float64]

    @property
    def bytes_of_a_time(self) -> int:
        """Memory that the patterns of one time point take."""
        return 4 * len(self.trials) * len(self.channels)

    def patterns(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read samples `start` to `stop` (excluded) of all trials: (trials, channels, times).

        Every channel is in standard deviations of its own baseline in its session, so that unlike sensors and
        sessions can be compared.
        """
        return np.concatenate(
            [
                np.asarray(_samples(epochs, self.channels, start, stop) / spread[:, None], dtype=np.float32)
                for epochs, spread in zip(self.epochs, self.spread, strict=True)
            ]
        )


def open_sessions(paths: Sequence[Path | str]) -> Sessions:
    """Open epochs files without loading them.

    Raises
    ------
    ValueError
        As `gather_sessions`.
    """
    return gather_sessions([mne.read_epochs(path, preload=False, verbose="error") for path in paths])


def gather_sessions(sessions: Sequence[mne.BaseEpochs]) -> Sessions:
    """Put the epochs of several sessions together; channels that any session lacks are left out.

    Parameters
    ----------
    sessions : sequence of mne.Epochs
        Epochs of each session, as `cliphba.meg.preprocess.preprocess` makes them.

    Raises
    ------
    ValueError
        If there is no session, their times differ, they have no channel in common, or a channel is flat before the
        stimulus.
    """
    if not sessions:
        raise ValueError("there are no sessions to put together: check the list of recordings.")
    times_ms = np.round(1000 * sessions[0].times, 3)
    for epochs in sessions[1:]:
        if not np.array_equal(np.round(1000 * epochs.times, 3), times_ms):
            raise ValueError("sessions differ in their times: preprocess all with the same grid.")
    names = [name for name in sessions[0].ch_names if all(name in epochs.ch_names for epochs in sessions)]
    if not names:
        raise ValueError("sessions have no channel in common: preprocess all with the same picks.")
    before = int((times_ms < 0).sum())
    return Sessions(
        epochs=sessions,
        channels=names,
        spread=[baseline_spread(_samples(epochs, names, 0, before), names) for epochs in sessions],
        trials=pd.concat([epochs.metadata for epochs in sessions], ignore_index=True),
        times_ms=times_ms,
    )


def _samples(epochs: mne.BaseEpochs, channels: Sequence[str], start: int, stop: int) -> NDArray[np.float64]:
    """Read samples `start` to `stop` (excluded) of all trials; from disk, if that is where they are."""
    # a quarter of a sample later, so that no rounding takes a neighbour
    tmin, tmax = (epochs.tmin + (sample + 0.25) / epochs.info["sfreq"] for sample in (start, stop))
    # MNE would say for every block what it loads
    with mne.use_log_level("error"):
        samples: NDArray[np.float64] = epochs.get_data(picks=list(channels), tmin=tmin, tmax=tmax, copy=False)
    return samples
