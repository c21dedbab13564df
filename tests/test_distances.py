"""Cross-validated distances against hand-computed values, rsatoolbox and plain loops, on noise, and broken input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm

from cliphba.meg.design import Design, k_fold, leave_one_session_out
from cliphba.meg.distances import prepare_correlation, prepare_euclidean
from cliphba.meg.measure import Measure
from tests.designs import full_design

Array = NDArray[np.float64]
Prepare = Callable[[Design], Measure]
BOTH = pytest.mark.parametrize("prepare", [prepare_euclidean, prepare_correlation])


def average(measure: Measure, patterns: NDArray[np.floating], design: Design) -> Array:
    total, folds = measure(patterns, np.arange(design.folds))
    return total / folds


def rsatoolbox_crossnobis(patterns: Array, design: Design, noise: Array | list[Array] | None = None) -> Array:
    data = Dataset(patterns, obs_descriptors={"stimulus": design.stimulus, "fold": design.fold})
    found = calc_rdm(data, method="crossnobis", descriptor="stimulus", cv_descriptor="fold", noise=noise)
    return np.asarray(found.get_vectors()[0])


def euclidean(training: Array, test: Array) -> float:
    return float((training[0] - training[1]) @ (test[0] - test[1])) / training.shape[1]


def correlation(training: Array, test: Array) -> float:
    of = np.corrcoef(training, test)[:2, 2:]
    return float(of[0, 0] + of[1, 1] - of[0, 1] - of[1, 0]) / 2


def by_loops(
    patterns: Array, design: Design, compare: Callable[[Array, Array], float]
) -> tuple[list[float], list[float]]:
    def mean(stimulus: int, chosen: NDArray[np.bool_]) -> Array:
        return np.asarray(patterns[chosen & (design.stimulus == stimulus)].mean(axis=0))

    total, folds = [], []
    for pair in combinations(range(design.stimuli), 2):
        usable = [fold for fold in range(design.folds) if all(design.counts[stimulus, fold] for stimulus in pair)]
        values = [
            compare(*(np.stack([mean(stimulus, chosen) for stimulus in pair]) for chosen in (~test, test)))
            for test in (design.fold == fold for fold in usable)
        ]
        total.append(sum(values))
        folds.append(float(len(usable)))
    return total, folds


def test_euclidean_by_hand() -> None:
    design = full_design(stimuli=2, sessions=2, repetitions=1)
    patterns = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 0.0], [0.0, 2.0]])
    # The differences are (1, 0) in the first session and (2, -1) in the second: their product is 2, in 2 channels 1.
    total, folds = prepare_euclidean(design)(patterns, np.arange(2))
    np.testing.assert_allclose(total, [2])
    np.testing.assert_array_equal(folds, [2])


def test_correlation_by_hand() -> None:
    design = full_design(stimuli=2, sessions=2, repetitions=1)
    patterns = np.array([[1.0, 2.0, 3.0], [0.0, 5.0, 10.0], [3.0, 2.0, 1.0], [3.0, 3.0, 0.0]])
    # Within: 1 and sqrt(3) / 2. Between: -sqrt(3) / 2 and -1.
    np.testing.assert_allclose(average(prepare_correlation(design), patterns, design), [1 + np.sqrt(3) / 2])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    stimuli=st.integers(2, 6),
    sessions=st.integers(2, 5),
    repetitions=st.integers(1, 3),
    channels=st.integers(1, 12),
)
def test_euclidean_is_rsatoolboxs(seed: int, stimuli: int, sessions: int, repetitions: int, channels: int) -> None:
    generator = np.random.default_rng(seed)
    design = full_design(stimuli, sessions, repetitions)
    patterns = generator.normal(size=(len(design.stimulus), channels))
    found = average(prepare_euclidean(design), patterns, design)
    np.testing.assert_allclose(found, rsatoolbox_crossnobis(patterns, design), rtol=1e-9, atol=1e-12)
    pairwise = rsatoolbox_crossnobis(patterns, design, [np.eye(channels)] * sessions)
    np.testing.assert_allclose(found, pairwise, rtol=1e-9, atol=1e-12)


def test_euclidean_is_rsatoolboxs_with_unequal_trials() -> None:
    generator = np.random.default_rng(0)
    full = full_design(stimuli=5, sessions=4, repetitions=3)
    kept = np.flatnonzero((np.arange(60) % 3 == 0) | (generator.random(60) < 0.5))
    design = Design(full.stimulus[kept], full.fold[kept])
    patterns = generator.normal(size=(len(kept), 7))
    found = average(prepare_euclidean(design), patterns, design)
    np.testing.assert_allclose(found, rsatoolbox_crossnobis(patterns, design), rtol=1e-9)
    assert not np.allclose(found, rsatoolbox_crossnobis(patterns, design, [np.eye(7)] * 4))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    stimuli=st.integers(2, 5),
    sessions=st.integers(2, 5),
    repetitions=st.integers(1, 3),
    channels=st.integers(3, 12),
    lost=st.sampled_from([0.2, 0.6]),
)
@pytest.mark.parametrize(
    ("prepare", "compare"), [(prepare_euclidean, euclidean), (prepare_correlation, correlation)], ids=["square", "r"]
)
def test_equals_plain_loops_with_missing_trials(
    prepare: Prepare,
    compare: Callable[[Array, Array], float],
    seed: int,
    stimuli: int,
    sessions: int,
    repetitions: int,
    channels: int,
    lost: float,
) -> None:
    generator = np.random.default_rng(seed)
    full = full_design(stimuli, sessions, repetitions)
    # Every stimulus keeps two folds of its own, so that some pairs have no usable fold at all.
    own = (full.fold - full.stimulus) % sessions < 2
    order = generator.permutation(np.flatnonzero(own | (generator.random(len(own)) > lost)))
    design = leave_one_session_out(full.stimulus[order], 7 * full.fold[order])
    patterns = generator.normal(size=(len(order), channels))
    total, folds = prepare(design)(patterns, np.arange(design.folds))
    expected = by_loops(patterns, design, compare)
    np.testing.assert_allclose(total, expected[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(folds, expected[1])


@BOTH
def test_folds_add_up(prepare: Prepare) -> None:
    design = full_design(stimuli=4, sessions=3, repetitions=2)
    patterns = np.random.default_rng(1).normal(size=(24, 5))
    together = prepare(design)(patterns, np.arange(3))
    single = [prepare(design)(patterns, np.array([fold])) for fold in range(3)]
    np.testing.assert_allclose(together.total, sum(sums.total for sums in single), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(together.folds, sum(sums.folds for sums in single))


def test_euclidean_is_free_of_the_bias_of_noise() -> None:
    generator = np.random.default_rng(2)
    design = full_design(stimuli=2, sessions=8, repetitions=4)
    centres = np.array([[0.0] * 10, [0.5] * 10])
    noise = generator.normal(size=(300, len(design.stimulus), 10))
    found = [average(prepare_euclidean(design), centres[design.stimulus] + one, design)[0] for one in noise]
    assert np.mean(found) == pytest.approx(0.25, abs=3 * np.std(found) / np.sqrt(300))


@BOTH
@pytest.mark.parametrize("design", [full_design(12, 4, 2), k_fold(np.repeat(np.arange(12), 7), folds=3, seed=0)])
def test_null_is_zero(prepare: Prepare, design: Design) -> None:
    # A pattern common to all stimuli is no difference between them, however strong.
    noise = np.random.default_rng(3).normal(size=(100, len(design.stimulus), 15)) + 3 * np.sin(np.arange(15))
    means = [average(prepare(design), patterns, design).mean() for patterns in noise]
    assert abs(np.mean(means)) < 3 * np.std(means) / np.sqrt(100)
    assert min(means) < 0 < max(means)


def test_tiny_units_and_large_offsets_lose_no_digits() -> None:
    design = full_design(stimuli=4, sessions=3, repetitions=2)
    patterns = np.random.default_rng(4).normal(size=(24, 5))
    euclidean, correlation = prepare_euclidean(design), prepare_correlation(design)
    expected = average(euclidean, patterns, design)
    np.testing.assert_allclose(average(euclidean, 1e-13 * patterns, design), 1e-26 * expected, rtol=1e-9)
    np.testing.assert_allclose(average(euclidean, patterns + 1e6, design), expected, rtol=1e-6, atol=1e-9)
    tiny = (1e-13 * patterns).astype(np.float32)
    np.testing.assert_allclose(
        average(correlation, tiny, design), average(correlation, patterns, design), rtol=1e-5, atol=1e-6
    )


@BOTH
def test_broken_patterns_are_refused(prepare: Prepare) -> None:
    design = full_design(stimuli=3, sessions=2, repetitions=1)
    measure, folds = prepare(design), np.arange(2)
    with pytest.raises(ValueError, match="6 trials of the design: their shape is \\(5, 4\\)"):
        measure(np.ones((5, 4)), folds)
    with pytest.raises(ValueError, match="one time point"):
        measure(np.ones((6, 4, 2)), folds)
    with pytest.raises(ValueError, match="not finite"):
        measure(np.full((6, 4), np.nan), folds)


@pytest.mark.parametrize("channels", [1, 4])
def test_flat_patterns_have_no_correlation(channels: int) -> None:
    design = full_design(stimuli=3, sessions=2, repetitions=3)
    patterns = np.random.default_rng(5).normal(size=(18, channels))
    patterns[design.stimulus == 1] = 0.1
    with pytest.raises(ValueError, match="same at all channels"):
        prepare_correlation(design)(patterns, np.arange(2))
