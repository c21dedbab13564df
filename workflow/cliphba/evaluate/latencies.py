"""When curves of decoding and of alignment set in and peak, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate import bootstrap
from cliphba.evaluate.bootstrap import Estimate, Reals
from cliphba.meg.latency import onset_latency, peak_latency
from cliphba.tables import RDMSeries

# An onset lies this many standard deviations of the baseline above its mean, for two samples.
THRESHOLD, CONSECUTIVE = 5.0, 2


def decoding(measured: Sequence[RDMSeries], *, resamples: int, seed: int) -> Estimate:
    """Mean dissimilarity over all pairs at each time, such as mean decoding accuracy.

    Parameters
    ----------
    measured
        RDMs of each participant.
    resamples, seed
        Of the bootstrap over images; the same resamples as those of `alignment.measure`.

    Returns
    -------
    Estimate
        (participants, times).
    """
    times, stimuli = len(measured[0].times_ms), len(measured[0].stimuli)
    counts = bootstrap.draw_stimuli(stimuli, resamples, seed=(seed, 0))
    pairs = counts.sum(1) ** 2 - (counts**2).sum(1)
    value, resampled = np.empty((len(measured), times)), np.empty((resamples, len(measured), times))
    for participant, time in np.ndindex(value.shape):
        row = measured[participant].row(time).astype(np.float64)
        value[participant, time] = row.mean()
        # each pair counts as often as its two stimuli were drawn together, twice over in the square matrix
        resampled[:, participant, time] = ((counts @ rdm.to_square(row)) * counts).sum(1) / pairs
    return Estimate(value, resampled)


def table(curve: str, courses: Estimate, times_ms: Reals, participants: Sequence[str], draws: Reals) -> pd.DataFrame:
    """Tabulate onset and peak of a curve, for the mean over participants and for each of them.

    Parameters
    ----------
    curve
        Its name.
    courses
        (participants, times); without baseline, not-a-number up to onset, there is a peak only.
    times_ms
        (times,).
    participants
        Their names.
    draws
        (resamples, participants) how often each was drawn, for the mean.

    Returns
    -------
    DataFrame
        A part of the table of kind ``latency``, in ms. Intervals vary images, those of the mean participants, too. A
        resample whose curve never sets in counts as infinitely late: where that reaches the end of the interval,
        there is none.
    """
    means = {None: courses.mean_over_participants(draws)}
    each = {name: courses[index] for index, name in enumerate(participants)}
    parts = [
        _describe(latency).assign(participant=name, quantity=quantity)
        for name, course in (means | each).items()
        for quantity, latency in _latencies(course, times_ms).items()
    ]
    return pd.concat(parts, ignore_index=True).assign(curve=curve)


def _latencies(course: Estimate, times_ms: Reals) -> dict[str, Estimate]:
    peak = course.map(lambda values: peak_latency(values, times_ms))
    if not np.isfinite(course.value).all():
        return {"peak": peak}
    # resampled baselines are noisier than the measured one, by which all curves are judged
    held = np.where(times_ms <= 0, course.value, course.resampled)
    onset = Estimate(course.value, held).map(
        lambda values: onset_latency(values, times_ms, threshold=THRESHOLD, consecutive=CONSECUTIVE)
    )
    return {"onset": onset, "peak": peak}


def _describe(latency: Estimate) -> pd.DataFrame:
    low, high = latency.map(lambda values: np.nan_to_num(values, nan=np.inf)).interval()
    ends = {"low": float(low), "high": float(high)}
    return pd.DataFrame([{"value": float(latency.value), **ends}]).replace(np.inf, np.nan)
