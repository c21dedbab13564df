"""Which trials are lost, why, and how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray

KEPT = "kept"
#: Why a trial is lost, and what is said of it.
REASONS = {
    "no_onset": "onset is no number",
    "cut_off": "cut off by the end of the recording",
    "annotated": "annotated as bad",
    "amplitude": "a channel exceeds the amplitude allowed",
    "range": "range stands out from the other trials'",
}

CONSISTENT = 1.4826  # turns the median absolute deviation of a normal distribution into its standard deviation
# What MNE calls trials that reach out of the recording.
CUT_OFF = {"NO_DATA", "TOO_SHORT"}


def outlying(peak_to_peak: NDArray[np.float64], deviations: float) -> NDArray[np.bool_]:
    """Find trials whose range stands out, each channel measured by its own median range, whatever its type.

    Parameters
    ----------
    peak_to_peak : float array (trials, channels)
        Range of every channel in every trial.
    deviations
        Robust standard deviations by which a trial may exceed the median of all.

    Returns
    -------
    bool array (trials,)
        Whether a trial stands out.
    """
    typical = np.maximum(np.median(peak_to_peak, axis=0), np.finfo(float).tiny)
    # The logarithm makes ranges nearly normal; the mean of the worst tenth of the channels ignores one noisy sensor.
    relative = np.sort(peak_to_peak / typical, axis=1)[:, -max(1, peak_to_peak.shape[1] // 10) :]
    worst = np.log(np.maximum(relative.mean(axis=1), np.finfo(float).tiny))
    deviation = worst - np.median(worst)
    spread = CONSISTENT * np.median(np.abs(deviation))
    return np.asarray(deviation > deviations * max(spread, np.finfo(float).eps))


def exceeding(
    peak_to_peak: NDArray[np.float64], types: Sequence[str], allowed: Mapping[str, float]
) -> NDArray[np.bool_]:
    """Find trials in which any channel exceeds what is allowed for its type.

    Parameters
    ----------
    peak_to_peak : float array (trials, channels)
        Range of every channel in every trial.
    types
        Of the channels, as MNE names them.
    allowed
        Type to peak-to-peak amplitude, in the unit of the data.

    Returns
    -------
    bool array (trials,)
        Whether a trial exceeds it.

    Raises
    ------
    ValueError
        If there is no channel of a type.
    """
    if missing := set(allowed) - set(types):
        raise ValueError(
            f"preprocessing.rejection_peak_to_peak: no channel is of type {min(missing)}, but of "
            f"{', '.join(sorted(set(types)))}; sensors of CTF are of type mag."
        )
    most = np.array([allowed.get(kind, np.inf) for kind in types])
    return np.asarray((peak_to_peak > most).any(axis=1))


def reject(epochs: mne.BaseEpochs, *, deviations: float | None, allowed: Mapping[str, float]) -> mne.BaseEpochs:
    """Drop trials with too large amplitudes, and say in the epochs' log of drops why.

    Parameters
    ----------
    epochs
        Epochs in memory.
    deviations
        As in `outlying`; None: no trial stands out.
    allowed
        As in `exceeding`.
    """
    if allowed:
        found = exceeding(_peak_to_peak(epochs), epochs.get_channel_types(), allowed)
        epochs = epochs.drop(found, reason="amplitude", verbose="error")
    if deviations is not None and len(epochs):
        epochs = epochs.drop(outlying(_peak_to_peak(epochs), deviations), reason="range", verbose="error")
    return epochs


def _peak_to_peak(epochs: mne.BaseEpochs) -> NDArray[np.float64]:
    ranges: NDArray[np.float64] = np.ptp(epochs.get_data(copy=False), axis=2)
    return ranges


def outcomes(drop_log: Sequence[Sequence[str]]) -> list[str]:
    """Give `KEPT` or one of `REASONS` for each entry of the log of drops that MNE keeps with epochs."""
    return [_outcome(reasons) for reasons in drop_log]


def _outcome(reasons: Sequence[str]) -> str:
    if not reasons:
        return KEPT
    if set(reasons) & CUT_OFF:
        return "cut_off"
    return reasons[0] if reasons[0] in REASONS else "annotated"


def describe(outcome: Sequence[str]) -> str:
    """Say how many trials were kept and why the others were lost."""
    lost = [f"{found} {said}" for reason, said in REASONS.items() if (found := list(outcome).count(reason))]
    return "; ".join([f"{list(outcome).count(KEPT)} of {len(outcome)} trials kept", *lost])


def count(trials: pd.DataFrame, participant: str) -> pd.DataFrame:
    """Tabulate how many trials of each part were kept, and why the others were lost.

    Parameters
    ----------
    trials
        ``session`` and ``outcome`` of every trial that was recorded.
    participant
        Of whom.

    Returns
    -------
    pandas.DataFrame
        Table of kind ``trials``.
    """
    counted = pd.crosstab(trials["session"], trials["outcome"])
    counted = counted.reindex(index=trials["session"].unique(), columns=[KEPT, *REASONS], fill_value=0)
    table = counted.rename_axis(columns=None).reset_index()
    return table.assign(participant=participant, recorded=table[[KEPT, *REASONS]].sum(axis=1))
