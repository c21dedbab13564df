"""A participant's epochs in parts, of which the halves of a study are made."""

from __future__ import annotations

from collections.abc import Sequence

import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray


def in_turn(epochs: mne.BaseEpochs, names: Sequence[str]) -> dict[str, mne.BaseEpochs]:
    """Divide epochs by dealing the trials of each stimulus out in turn.

    Parameters
    ----------
    epochs
        Epochs with the metadata ``stimulus``.
    names
        Of the parts.

    Returns
    -------
    dict
        Name of each part to its epochs, whose metadata have it as ``session``.
    """
    turn = take_turns(epochs.metadata["stimulus"], len(names))
    return {name: named(epochs[np.flatnonzero(turn == number)], name) for number, name in enumerate(names)}


def take_turns(stimulus: pd.Series[str], parts: int) -> NDArray[np.intp]:
    """Give the number of the part (from 0) of each trial, each stimulus's first trial going to the first part.

    All stimuli begin with the same part, so that within a part they are shown about equally often.
    """
    return np.asarray(stimulus.groupby(stimulus.to_numpy()).cumcount() % parts, dtype=np.intp)


def named(epochs: mne.BaseEpochs, name: str) -> mne.BaseEpochs:
    """Let metadata say, in place, of which part epochs are."""
    # MNE would say that it replaces metadata
    with mne.use_log_level("error"):
        epochs.metadata = epochs.metadata.assign(session=name).reset_index(drop=True)
    return epochs
