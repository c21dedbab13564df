"""What the authors of THINGS-MEG publish beside the raw data, made from it without any of the code under test.

Epochs follow their recipe step by step with MNE, RDMs that of their decoding (all sensors, single trials, leave one
session out). LDA is written out here for all pairs at once, since scikit-learn would take minutes; a test holds it to
scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from tests.things_study import BROKEN, CONCEPTS, METADATA, SmallThings, draw_trials

Floats = NDArray[np.float64]
# CoSMoMVPA adds 0.01 of the mean variance to the covariance; scikit-learn's shrinkage is relative to the sum.
SHRINKAGE = 0.01 / 1.01


def published_epochs(
    things: SmallThings, root: Path, participant: str, *, stop_s: float, step_s: float
) -> mne.EpochsArray:
    """Preprocess a participant's runs as published: 0.1-40 Hz, light onset, z-score of the baseline, decimated."""
    sessions = [_session(things, root, participant, session, stop_s) for session in range(1, things.sessions + 1)]
    epochs = mne.concatenate_epochs(sessions, add_offset=True, verbose="error")
    epochs.metadata = pd.concat(
        [
            draw_trials(things, participant, session, run).reindex(columns=list(METADATA))
            for session in range(1, things.sessions + 1)
            for run in range(1, things.runs + 1)
        ],
        ignore_index=True,
    )
    return epochs.decimate(round(step_s * things.rate_hz), verbose="error")


def _session(things: SmallThings, root: Path, participant: str, session: int, stop_s: float) -> mne.EpochsArray:
    folder = root / participant / f"ses-{session:02d}" / "meg"
    runs = []
    for path in sorted(folder.glob("*_meg.fif")):
        raw = mne.io.read_raw_fif(path, preload=True, verbose="error")
        raw.drop_channels(BROKEN)
        raw.filter(l_freq=0.1, h_freq=40, verbose="error")
        sample = pd.read_csv(str(path).replace("_meg.fif", "_events.tsv"), sep="\t")["sample"].to_numpy()
        events = np.column_stack([sample, np.zeros_like(sample), np.ones_like(sample)])
        runs.append(
            mne.Epochs(raw, events, tmin=-0.1, tmax=stop_s, picks="mag", baseline=None, preload=True, verbose="error")
        )
    epochs = mne.concatenate_epochs(runs, verbose="error")
    data = mne.baseline.rescale(epochs.get_data(), epochs.times, (None, 0), mode="zscore", verbose="error")
    return mne.EpochsArray(data, epochs.info, epochs.events, epochs.tmin, verbose="error")


def decode(patterns: Floats, stimulus: NDArray[np.intp], session: NDArray[np.intp]) -> Floats:
    """Decode every pair of stimuli at one time point, leaving out one session at a time.

    Parameters
    ----------
    patterns
        (trials, channels).
    stimulus
        (trials,) 0, 1, ...; every stimulus has equally many trials in each session.
    session
        (trials,).

    Returns
    -------
    ndarray
        (pairs,) accuracy, averaged over sessions.
    """
    accuracies = [_accuracy(patterns, stimulus, session == left_out) for left_out in np.unique(session)]
    return np.mean(accuracies, axis=0)


def _accuracy(patterns: Floats, stimulus: NDArray[np.intp], test: NDArray[np.bool_]) -> Floats:
    stimuli, channels = int(stimulus.max()) + 1, patterns.shape[1]
    training = np.stack([patterns[~test & (stimulus == one)] for one in range(stimuli)])
    held_out = np.stack([patterns[test & (stimulus == one)] for one in range(stimuli)])
    mean = training.mean(axis=1)
    centred = training - mean[:, None]
    scatter = centred.transpose(0, 2, 1) @ centred / training.shape[1]
    first, second = np.triu_indices(stimuli, 1)
    covariance = (scatter[first] + scatter[second]) / 2
    level = np.trace(covariance, axis1=1, axis2=2)[:, None, None] / channels
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(channels)
    weight = np.linalg.solve(covariance, (mean[second] - mean[first])[:, :, None])
    threshold = ((mean[first] + mean[second]) / 2)[:, None] @ weight
    of_second = held_out[second] @ weight > threshold
    of_first = held_out[first] @ weight <= threshold
    accuracy: Floats = np.concatenate([of_first, of_second], axis=1).mean(axis=(1, 2))
    return accuracy


def published_rdms(epochs: mne.BaseEpochs, samples: Sequence[int] | slice = slice(None)) -> Floats:
    """Decode concepts from exp trials, over all sessions: (times, concepts, concepts), NaN on the diagonal."""
    chosen = epochs.metadata["trial_type"].eq("exp").to_numpy()
    data = epochs.get_data(copy=False)[chosen][:, :, samples]
    stimulus = epochs.metadata["things_category_nr"][chosen].to_numpy().astype(int) - 1
    session = epochs.metadata["session_nr"][chosen].to_numpy().astype(int)
    diagonal = np.where(np.eye(len(CONCEPTS)), np.nan, 0)
    return np.stack(
        [squareform(decode(data[:, :, time], stimulus, session)) + diagonal for time in range(data.shape[2])]
    )


def write_published_rdms(rdms: Floats, path: Path) -> None:
    """Write (participants, times, concepts, concepts) as MATLAB v7.3 does: HDF5, with its own first 512 bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("mat", data=rdms, compression="gzip")
