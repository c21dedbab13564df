"""Onset and peak latency by hand, on noise, and recovered from decoded patterns with known latencies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cliphba.meg.engine import decode_rdm
from cliphba.meg.latency import onset_latency, peak_latency

Array = NDArray[np.float64]

TIMES = np.arange(-30.0, 60, 10)
#                  up to onset         after onset
COURSE = np.array([1.0, 3.0, 1.0, 3.0, 6.0, 2.0, 6.0, 7.0, 6.0])  # baseline mean 2, standard deviation 1.155

STEP = 10.0
LONG = np.arange(-200.0, 401, STEP)
WIDTH = 50.0
THRESHOLD, CONSECUTIVE = 3.0, 3


def test_peak_by_hand() -> None:
    courses = np.stack([COURSE, -COURSE, np.r_[9.0, COURSE[1:]], np.zeros(9), np.r_[COURSE[:-1], np.nan]])
    np.testing.assert_array_equal(peak_latency(courses, TIMES), [40, 20, 40, 10, np.nan])


@pytest.mark.parametrize(("consecutive", "expected"), [(1, 10.0), (2, 30.0), (3, 30.0), (4, np.nan)])
def test_onset_by_hand(consecutive: int, expected: float) -> None:
    found = onset_latency(COURSE, TIMES, threshold=3, consecutive=consecutive)
    np.testing.assert_array_equal(found, expected)


def test_onset_needs_a_higher_response_for_a_higher_threshold() -> None:
    found = [onset_latency(COURSE, TIMES, threshold=threshold, consecutive=1) for threshold in (3.4, 3.6, 4.4)]
    np.testing.assert_array_equal(found, [10, 40, np.nan])


def test_leading_axes_are_those_of_single_courses() -> None:
    courses = np.random.default_rng(0).normal(size=(3, 4, 9)) + 3 * (TIMES > 20)
    for measure in (peak_latency, lambda *given: onset_latency(*given, threshold=1.0, consecutive=2)):
        expected = [[measure(course, TIMES) for course in row] for row in courses]
        np.testing.assert_array_equal(measure(courses, TIMES), expected)


def test_offset_and_scale_change_nothing() -> None:
    for measure in (peak_latency, lambda *given: onset_latency(*given, threshold=3.0, consecutive=2)):
        assert measure(0.5 + 0.01 * COURSE, TIMES) == measure(COURSE, TIMES)


def test_noise_sets_in_rarely() -> None:
    noise = np.random.default_rng(1).normal(size=(2000, len(LONG)))
    found = onset_latency(noise, LONG, threshold=THRESHOLD, consecutive=CONSECUTIVE)
    assert np.isnan(found).mean() > 0.995


@pytest.mark.parametrize(
    ("courses", "times", "change", "message"),
    [
        (COURSE[1:], TIMES, {}, "times"),
        (COURSE, TIMES - 100, {}, "no sample after stimulus onset"),
        (COURSE, TIMES + 30, {}, "fewer than two samples up to stimulus onset"),
        (COURSE, TIMES, {"consecutive": 6}, "from 1 to 5"),
        (COURSE, TIMES, {"consecutive": 0}, "from 1 to 5"),
    ],
)
def test_refuses(courses: Array, times: Array, change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        onset_latency(courses, times, **({"threshold": 3.0, "consecutive": 1} | change))


def decode_mean_accuracy(strength: Array, generator: np.random.Generator) -> Array:
    """Mean accuracy over pairs of a new participant, whose stimuli evoke a pattern of this strength: (times,)."""
    stimulus, session, _ = (axis.ravel() for axis in np.indices((14, 4, 3)))
    patterns = generator.normal(size=(14, 16, 1))[stimulus] * strength
    epochs = patterns + generator.normal(size=(len(stimulus), 16, len(strength)))
    return decode_rdm(epochs, stimulus=stimulus, session=session).mean(axis=1, dtype=np.float64)


def find_strength_at_threshold(generator: np.random.Generator) -> float:
    """Strength at which lasting signals of other participants exceed chance by the threshold."""
    levels, repetitions = np.linspace(0, 1, 21), 5
    courses = np.stack([decode_mean_accuracy(np.repeat(levels, repetitions), generator) for _ in range(6)])
    accuracy = courses.reshape(-1, len(levels), repetitions).mean(axis=(0, 2))
    noise = np.std([decode_mean_accuracy(np.zeros(20), generator) for _ in range(4)], axis=1, ddof=1).mean()
    return float(np.interp(0.5 + THRESHOLD * noise, accuracy, levels))


def test_latencies_of_decoding_are_those_simulated() -> None:
    """A Gaussian response peaks when it was made to, and sets in when it is as strong as decoding needs it.

    There is no true onset in a Gaussian. How strong a signal must be to exceed the threshold is therefore measured
    on other participants, with signals that do not change over time; the onset follows from the Gaussian.
    """
    generator = np.random.default_rng(2)
    peaks = 150 + 25 * generator.normal(size=16)
    strengths = np.exp(-0.5 * ((LONG - peaks[:, None]) / WIDTH) ** 2)
    courses = np.stack([decode_mean_accuracy(strength, generator) for strength in strengths])
    needed = find_strength_at_threshold(generator)
    onsets = peaks - WIDTH * np.sqrt(-2 * np.log(needed))
    found_peaks = peak_latency(courses, LONG)
    found_onsets = onset_latency(courses, LONG, threshold=THRESHOLD, consecutive=CONSECUTIVE)
    assert abs((found_peaks - peaks).mean()) <= STEP
    assert abs((found_onsets - onsets).mean()) <= STEP
    assert np.corrcoef(found_peaks, peaks)[0, 1] > 0.8
    assert np.corrcoef(found_onsets, onsets)[0, 1] > 0.9


def test_sudden_signals_set_in_at_their_first_sample() -> None:
    generator = np.random.default_rng(3)
    onsets = np.arange(50.0, 150, STEP)
    courses = np.stack([decode_mean_accuracy((onset <= LONG).astype(float), generator) for onset in onsets])
    found = onset_latency(courses, LONG, threshold=THRESHOLD, consecutive=CONSECUTIVE)
    np.testing.assert_allclose(found, onsets, atol=2 * STEP)
    assert (found == onsets).mean() >= 0.9
