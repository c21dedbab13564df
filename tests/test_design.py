"""Folds and averages of trials: by hand, over drawn shapes, and with designs that cannot be cross-validated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliphba.meg.design import Design, average_trials, k_fold, leave_one_session_out


def test_every_session_is_a_fold_whatever_its_number() -> None:
    design = leave_one_session_out(np.array([0, 1, 0, 1, 1]), np.array([7, 7, 12, 12, 12]))
    assert design.fold.tolist() == [0, 0, 1, 1, 1]
    assert design.counts.tolist() == [[1, 1], [1, 2]]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    trials=st.lists(st.integers(3, 9), min_size=2, max_size=6), folds=st.integers(2, 3), seed=st.integers(0, 10**6)
)
def test_trials_are_spread_evenly_over_folds(trials: list[int], folds: int, seed: int) -> None:
    design = k_fold(np.repeat(np.arange(len(trials)), trials), folds=folds, seed=seed)
    assert design.counts.sum(axis=1).tolist() == trials
    assert (np.ptp(design.counts, axis=1) <= 1).all()


def test_folds_are_drawn_anew_with_another_seed_only() -> None:
    stimulus = np.repeat(np.arange(4), 6)
    first, again, other = (k_fold(stimulus, folds=3, seed=seed).fold for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_averages_by_hand() -> None:
    """Two trials of stimulus 0 and three of stimulus 1 in either fold: averages of two, and one of three."""
    design = Design(np.array([0, 0, 1, 1, 1] * 2), np.repeat([0, 1], 5))
    averaging, averaged = average_trials(design, size=2, seed=0)
    assert averaged.stimulus.tolist() == [0, 0, 1, 1]
    assert averaged.fold.tolist() == [0, 1, 0, 1]
    weights = averaging.toarray()
    np.testing.assert_allclose(weights[0, :2], 0.5)
    np.testing.assert_allclose(weights[2, 2:5], 1 / 3)
    assert (weights > 0).sum(axis=0).tolist() == [1] * 10


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    sessions=st.integers(2, 4),
    repetitions=st.integers(1, 7),
    size=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
def test_averages_use_every_trial_once_and_never_mix_folds(
    sessions: int, repetitions: int, size: int, seed: int
) -> None:
    stimulus = np.random.default_rng(seed).permutation(np.repeat(np.arange(3), sessions * repetitions))
    fold = np.zeros_like(stimulus)
    for one in range(3):
        fold[stimulus == one] = np.arange(sessions * repetitions) % sessions
    averaging, averaged = average_trials(Design(stimulus, fold), size=size, seed=seed)
    members = averaging.toarray() > 0
    assert (members.sum(axis=0) == 1).all()
    np.testing.assert_allclose(averaging.sum(axis=1), 1)
    for row, (one, tested) in enumerate(zip(averaged.stimulus, averaged.fold, strict=True)):
        assert set(stimulus[members[row]]) == {one}
        assert set(fold[members[row]]) == {tested}
        assert members[row].sum() >= min(size, repetitions)


@pytest.mark.parametrize(
    ("stimulus", "fold", "message"),
    [
        ([0, 0, 1, 1], [0, 1, 0], "one session a trial"),
        ([0, 0, 2, 2], [0, 1, 0, 1], "without gaps"),
        ([0, 0, 0, 0], [0, 1, 0, 1], "two or more stimuli"),
        ([0, 0, 1, 1], [0, 1, 1, 1], "stimulus 1 has trials in fewer than two sessions"),
    ],
)
def test_refuses(stimulus: list[int], fold: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Design(np.array(stimulus), np.array(fold))


def test_refuses_more_folds_than_trials() -> None:
    with pytest.raises(ValueError, match="folds: 4 cannot be made"):
        k_fold(np.repeat([0, 1], [5, 3]), folds=4, seed=0)
