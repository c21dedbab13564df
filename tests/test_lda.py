"""Pairwise linear discriminant analysis against scikit-learn, on noise, and with broken input."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneGroupOut

from cliphba.meg.design import Design, k_fold, leave_one_session_out
from cliphba.meg.lda import prepare_lda
from cliphba.meg.simd import LANES
from tests.designs import labels

Array = NDArray[np.float64]
COSMO = 0.01 / 1.01


def decode(patterns: Array, design: Design, *, shrinkage: float = COSMO, **options: object) -> Array:
    """Mean over usable folds: (pairs,)."""
    measure = prepare_lda(design, shrinkage=shrinkage, **options)  # type: ignore[arg-type]
    sums = measure(patterns, np.arange(design.folds))
    return sums.total / sums.folds


def decide_with_scikit_learn(
    patterns: Array, label: NDArray[np.int64], fold: NDArray[np.int64], shrinkage: float
) -> list[Array]:
    """Decisions on the test trials of every usable fold, positive on their own side."""
    decided = []
    for training, test in LeaveOneGroupOut().split(patterns, label, fold):
        counts = np.bincount(label[training], minlength=2)
        if min(counts) < 1 or sum(counts) < 3 or len(set(label[test])) < 2:
            continue
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
        classifier.fit(patterns[training], label[training])
        decided.append(classifier.decision_function(patterns[test]) * np.where(label[test] == 1, 1, -1))
    return decided


def compare_with_scikit_learn(patterns: Array, design: Design, shrinkage: float) -> int:
    """Assert that accuracies and decision values are those of scikit-learn; count pairs near a tie."""
    accuracy = decode(patterns, design, shrinkage=shrinkage)
    decision = decode(patterns, design, shrinkage=shrinkage, value="decision")
    near_ties = 0
    for pair, (first, second) in enumerate(zip(*np.triu_indices(design.stimuli, 1), strict=True)):
        chosen = (design.stimulus == first) | (design.stimulus == second)
        label = (design.stimulus[chosen] == second).astype(np.int64)
        oracle = decide_with_scikit_learn(patterns[chosen], label, design.fold[chosen], shrinkage)
        scale = np.abs(np.concatenate(oracle)).mean()
        assert decision[pair] == pytest.approx(np.mean([values.mean() for values in oracle]), abs=1e-5 * scale)
        if np.abs(np.concatenate(oracle)).min() < 1e-5 * scale:
            near_ties += 1
        else:
            assert accuracy[pair] == pytest.approx(np.mean([(values > 0).mean() for values in oracle]), abs=1e-9)
    return near_ties


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    stimuli=st.integers(2, 5),
    sessions=st.integers(3, 6),
    repetitions=st.integers(1, 3),
    channels=st.integers(2, 40),
    lost=st.sampled_from([0.0, 0.1]),
    steepness=st.sampled_from([0.0, 2.0, 4.0]),
    by_session=st.booleans(),
    shrinkage=st.sampled_from([COSMO, 1e-4, 0.3, 0.9]),
)
def test_equals_scikit_learn(
    seed: int,
    stimuli: int,
    sessions: int,
    repetitions: int,
    channels: int,
    lost: float,
    steepness: float,
    by_session: bool,
    shrinkage: float,
) -> None:
    """Also where the noise has a few strong directions, so that no expansion will do."""
    generator = np.random.default_rng(seed)
    stimulus, session = labels(stimuli, sessions, repetitions)
    # two sessions of every stimulus are never lost, so that every pair keeps a fold
    kept = (generator.uniform(size=len(stimulus)) >= lost) | (session < 2)
    order = generator.permutation(np.flatnonzero(kept))
    stimulus, session = stimulus[order], 7 * session[order]
    fewest = np.bincount(stimulus).min()
    design = leave_one_session_out(stimulus, session) if by_session else k_fold(stimulus, folds=fewest, seed=seed)
    mixing = np.linalg.qr(generator.normal(size=(channels, channels)))[0] * np.logspace(0, -steepness, channels)
    centres = 0.5 * generator.normal(size=(stimuli, channels))
    patterns = (centres[stimulus] + generator.normal(size=(len(order), channels))) @ mixing
    assert compare_with_scikit_learn(patterns, design, shrinkage) <= stimuli


def test_equals_scikit_learn_where_one_trial_is_far_larger_than_all_others() -> None:
    """The ridge of the fold that leaves it out is a fraction of the others', too far away for an expansion."""
    stimulus, session = labels(4, 5, 1)
    patterns = np.random.default_rng(0).normal(size=(len(stimulus), 6))
    patterns[3] *= 100
    assert compare_with_scikit_learn(patterns, leave_one_session_out(stimulus, session), COSMO) == 0


def test_null_is_chance() -> None:
    stimulus, session = labels(40, 4, 2)
    design = leave_one_session_out(stimulus, session)
    generator = np.random.default_rng(1)
    means = [decode(generator.normal(size=(len(stimulus), 20)), design).mean() for _ in range(30)]
    assert abs(np.mean(means) - 0.5) < 3 * np.std(means) / np.sqrt(len(means))


def test_strong_signal_is_decoded_between_its_stimuli_only() -> None:
    stimulus, session = labels(3, 4, 2)
    patterns = np.random.default_rng(2).normal(size=(len(stimulus), 10))
    patterns[stimulus == 2] += 10
    accuracy = decode(patterns, leave_one_session_out(stimulus, session))
    np.testing.assert_array_equal(accuracy[1:], 1)
    assert accuracy[0] < 1


def test_pairs_stand_in_upper_triangle_order_beyond_one_tile() -> None:
    stimuli = 2 * LANES + 3
    stimulus, session = labels(stimuli, 3, 2)
    generator = np.random.default_rng(3)
    centres = 20 * generator.normal(size=(stimuli, 6))
    centres[LANES + 5] = centres[4]  # one pair is alike, all others are far apart
    patterns = centres[stimulus] + generator.normal(size=(len(stimulus), 6))
    accuracy = decode(patterns, leave_one_session_out(stimulus, session))
    first, second = np.triu_indices(stimuli, 1)
    (alike,) = np.flatnonzero((first == 4) & (second == LANES + 5))
    assert accuracy[alike] < 0.9
    assert np.delete(accuracy, alike).min() == 1


def test_result_does_not_depend_on_threads_offset_or_order() -> None:
    stimulus, session = labels(2 * LANES + 4, 3, 2)
    generator = np.random.default_rng(4)
    patterns = generator.normal(size=(len(stimulus), 12))
    before = numba.get_num_threads()
    expected = decode(patterns, leave_one_session_out(stimulus, session), threads=1)
    order = generator.permutation(len(stimulus))
    for changed in (
        decode(patterns, leave_one_session_out(stimulus, session), threads=2),
        decode(100 * patterns + 1000, leave_one_session_out(stimulus, session)),
        decode(patterns[order], leave_one_session_out(stimulus[order], session[order])),
    ):
        np.testing.assert_array_equal(changed, expected)
    assert numba.get_num_threads() == before


def test_a_single_fold_can_be_asked_for() -> None:
    stimulus, session = labels(5, 4, 2)
    design = leave_one_session_out(stimulus, session)
    patterns = np.random.default_rng(5).normal(size=(len(stimulus), 12))
    measure = prepare_lda(design, shrinkage=COSMO)
    together = measure(patterns, np.arange(4))
    one_by_one = [measure(patterns, np.array([fold])) for fold in range(4)]
    np.testing.assert_allclose(sum(sums.total for sums in one_by_one), together.total)
    np.testing.assert_array_equal(together.folds, 4)


@pytest.mark.parametrize("shrinkage", [0.0, 1.0])
def test_refuses_a_shrinkage_out_of_range(shrinkage: float) -> None:
    stimulus, session = labels(2, 3, 1)
    with pytest.raises(ValueError, match="shrinkage"):
        prepare_lda(leave_one_session_out(stimulus, session), shrinkage=shrinkage)
