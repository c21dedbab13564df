"""Epochs of several sessions as one set of patterns, ready to be decoded."""

from collections.abc import Sequence

import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.meg.preprocess import scale_channels


def gather_patterns(sessions: Sequence[mne.Epochs]) -> tuple[NDArray[np.float32], pd.DataFrame, NDArray[np.float64]]:
    """Put the epochs of several sessions together, every channel scaled by its baseline in its session.

    Parameters
    ----------
    sessions : sequence of mne.Epochs
        Epochs of each session, as `cliphba.meg.preprocess.preprocess` makes them.

    Returns
    -------
    patterns : float32 array (trials, channels, times)
        In standard deviations of the baseline; channels that any session lacks are left out.
    trials : pandas.DataFrame
        ``stimulus``, ``session`` and ``trial`` of each.
    time_ms : float array (times,)
        Time from the onset, in ms.

    Raises
    ------
    ValueError
        If there is no session, their times differ, or they have no channel in common.
    """
    if not sessions:
        raise ValueError("there are no sessions to put together: check the list of recordings.")
    time_ms = np.round(1000 * sessions[0].times, 3)
    for epochs in sessions[1:]:
        if not np.array_equal(np.round(1000 * epochs.times, 3), time_ms):
            raise ValueError("sessions differ in their times: preprocess all with the same epoch_ms and step_ms.")
    names = [name for name in sessions[0].ch_names if all(name in epochs.ch_names for epochs in sessions)]
    if not names:
        raise ValueError("sessions have no channel in common: preprocess all with the same picks.")
    patterns = np.concatenate([scale_channels(epochs.copy().pick(names)) for epochs in sessions])
    return patterns, pd.concat([epochs.metadata for epochs in sessions], ignore_index=True), time_ms
