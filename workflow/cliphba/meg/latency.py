"""When a time course of decoding or of alignment sets in, and when it peaks."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Reals = NDArray[np.float64]


def peak_latency(courses: NDArray[np.floating], times_ms: Reals) -> Reals:
    """Time of the largest value after stimulus onset; of equal ones the first.

    Pictures that disappear evoke a second response: to leave it out, give the samples before it only.

    Parameters
    ----------
    courses
        (..., times), such as mean decoding accuracy.
    times_ms
        (times,) from stimulus onset.

    Returns
    -------
    array
        (...) in ms; not-a-number where a course is not finite at all times after onset.

    Raises
    ------
    ValueError
        If the times do not fit the courses, or none is after onset.
    """
    _check(courses, times_ms)
    response = courses[..., times_ms > 0]
    peak = times_ms[times_ms > 0][response.argmax(axis=-1)]
    return np.where(np.isfinite(response).all(axis=-1), peak, np.nan)


def onset_latency(courses: NDArray[np.floating], times_ms: Reals, *, threshold: float, consecutive: int) -> Reals:
    """First time after stimulus onset from which a course stays above its baseline for some samples.

    The limit is the mean plus some standard deviations of the samples up to stimulus onset, a common measure that
    Letham & Raij (2011, doi:10.1016/j.jneumeth.2010.10.016) review. It tells when a response can be told from noise:
    weaker responses and noisier data give later onsets, so compare data of similar quality. As the first sample above
    the limit it comes half a sampling step late on average.

    Parameters
    ----------
    courses
        (..., times), such as mean decoding accuracy.
    times_ms
        (times,) from stimulus onset.
    threshold
        Standard deviations of the baseline.
    consecutive
        Samples that must lie above the limit, the onset included. Smooth noise needs more than white noise.

    Returns
    -------
    array
        (...) in ms; not-a-number where a course never sets in.

    Raises
    ------
    ValueError
        If the times do not fit the courses, there are fewer than two samples up to stimulus onset, or fewer than
        `consecutive` after it.
    """
    _check(courses, times_ms)
    after = times_ms[times_ms > 0]
    baseline = courses[..., times_ms <= 0]
    if baseline.shape[-1] < 2:
        raise ValueError("times_ms has fewer than two samples up to stimulus onset: keep a baseline in the epochs")
    if not 1 <= consecutive <= len(after):
        raise ValueError(f"consecutive: {consecutive} samples cannot be above; choose from 1 to {len(after)}")
    limit = baseline.mean(-1) + threshold * baseline.std(-1, ddof=1)
    above = courses[..., times_ms > 0] > limit[..., None]
    lasting = sliding_window_view(above, consecutive, axis=-1).all(axis=-1)
    return np.where(lasting.any(axis=-1), after[lasting.argmax(axis=-1)], np.nan)


def _check(courses: NDArray[np.floating], times_ms: Reals) -> None:
    if times_ms.ndim != 1 or courses.shape[-1:] != times_ms.shape:
        raise ValueError(
            f"courses have shape {courses.shape}, times_ms {times_ms.shape}: give (..., times), (times,)"
        )
    if not (times_ms > 0).any():
        raise ValueError("times_ms has no sample after stimulus onset: no latency can be taken")
