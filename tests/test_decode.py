"""Pairwise decoding against scikit-learn, on noise, and with broken input."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneGroupOut

from cliphba.meg.decode import LANES, SHRINKAGE, decode_rdm

Array = NDArray[np.float64]


def full_design(stimuli: int, sessions: int, repetitions: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    grid = np.meshgrid(np.arange(stimuli), np.arange(sessions), np.arange(repetitions), indexing="ij")
    return grid[0].ravel(), grid[1].ravel()


def decode_with_scikit_learn(
    patterns: Array, label: NDArray[np.int64], session: NDArray[np.int64], shrinkage: float
) -> tuple[float, float]:
    """Mean accuracy over folds, and the decision closest to a tie."""
    scores, closest = [], np.inf
    for training, test in LeaveOneGroupOut().split(patterns, label, session):
        counts = np.bincount(label[training], minlength=2)
        if min(counts) < 1 or sum(counts) < 3 or len(set(label[test])) < 2:
            continue
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
        classifier.fit(patterns[training], label[training])
        scores.append(classifier.score(patterns[test], label[test]))
        closest = min(closest, float(np.abs(classifier.decision_function(patterns[test])).min()))
    return float(np.mean(scores)), closest


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    stimuli=st.integers(2, 5),
    sessions=st.integers(3, 5),
    repetitions=st.integers(1, 3),
    channels=st.integers(2, 30),
    lost=st.sampled_from([0.0, 0.1]),
    shrinkage=st.sampled_from([SHRINKAGE, 0.3, 0.9]),
)
def test_equals_scikit_learn(
    seed: int, stimuli: int, sessions: int, repetitions: int, channels: int, lost: float, shrinkage: float
) -> None:
    generator = np.random.default_rng(seed)
    stimulus, session = full_design(stimuli, sessions, repetitions)
    # Two sessions of every stimulus are never lost, so that every pair keeps a fold.
    kept = (generator.uniform(size=len(stimulus)) >= lost) | (session < 2)
    order = generator.permutation(np.flatnonzero(kept))
    stimulus, session = stimulus[order], 7 * session[order]
    centres = generator.normal(size=(stimuli, channels, 1))
    epochs = centres[stimulus] + generator.normal(size=(len(order), channels, 1))
    decoded = decode_rdm(epochs, stimulus=stimulus, session=session, shrinkage=shrinkage)
    for pair, (first, second) in enumerate(zip(*np.triu_indices(stimuli, 1), strict=True)):
        chosen = (stimulus == first) | (stimulus == second)
        expected, closest = decode_with_scikit_learn(
            epochs[chosen, :, 0], (stimulus[chosen] == second).astype(np.int64), session[chosen], shrinkage
        )
        if closest > 1e-5:
            assert decoded[0, pair] == pytest.approx(expected, abs=1e-6)


def test_null_is_chance() -> None:
    stimulus, session = full_design(30, 4, 2)
    epochs = np.random.default_rng(1).normal(size=(len(stimulus), 20, 8))
    accuracy = decode_rdm(epochs, stimulus=stimulus, session=session)
    # 240 trials at 8 independent times: the standard error of the mean accuracy is about 0.011.
    assert accuracy.mean() == pytest.approx(0.5, abs=0.03)


def test_strong_signal_is_decoded_at_its_time_and_between_its_stimuli_only() -> None:
    stimulus, session = full_design(3, 4, 2)
    epochs = np.random.default_rng(2).normal(size=(len(stimulus), 10, 2))
    epochs[stimulus == 2, :, 1] += 10
    accuracy = decode_rdm(epochs, stimulus=stimulus, session=session)
    np.testing.assert_array_equal(accuracy[1, 1:], 1)
    assert accuracy[1, 0] < 1
    assert (accuracy[0] < 1).all()


def test_pairs_stand_in_upper_triangle_order_beyond_one_tile() -> None:
    stimuli = 2 * LANES + 3
    stimulus, session = full_design(stimuli, 2, 2)
    generator = np.random.default_rng(3)
    centres = 20 * generator.normal(size=(stimuli, 6))
    centres[LANES + 5] = centres[4]  # one pair is alike, all others are far apart
    epochs = (centres[stimulus] + generator.normal(size=(len(stimulus), 6)))[:, :, None]
    accuracy = decode_rdm(epochs, stimulus=stimulus, session=session)[0]
    first, second = np.triu_indices(stimuli, 1)
    (alike,) = np.flatnonzero((first == 4) & (second == LANES + 5))
    assert accuracy[alike] < 0.9
    assert np.delete(accuracy, alike).min() == 1


def test_result_does_not_depend_on_threads_precision_offset_or_order() -> None:
    stimulus, session = full_design(LANES + 4, 3, 2)
    generator = np.random.default_rng(4)
    epochs = generator.normal(size=(len(stimulus), 12, 3)).astype(np.float32)
    before = numba.get_num_threads()
    expected = decode_rdm(epochs, stimulus=stimulus, session=session, threads=1)
    assert expected.dtype == np.float32
    order = generator.permutation(len(stimulus))
    for changed in (
        decode_rdm(epochs, stimulus=stimulus, session=session, threads=2),
        decode_rdm(100 * epochs.astype(np.float64) + 1000, stimulus=stimulus, session=session),
        decode_rdm(epochs[order], stimulus=stimulus[order], session=session[order]),
    ):
        np.testing.assert_array_equal(changed, expected)
    assert numba.get_num_threads() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": np.zeros((8, 3))}, "trials, channels, times"),
        ({"session": np.zeros(7, dtype=int)}, "one session a trial"),
        ({"epochs": np.full((8, 3, 1), np.nan)}, "not finite"),
        ({"shrinkage": 0.0}, "shrinkage"),
        ({"stimulus": np.repeat([0, 2], 4)}, "without gaps"),
        ({"session": np.array([0, 0, 1, 1, 5, 5, 5, 5])}, "stimulus 1 has trials in fewer than two sessions"),
        ({"session": np.array([0, 0, 1, 1, 2, 2, 3, 3])}, "stimuli 0 and 1 share no session"),
    ],
)
def test_refuses(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "epochs": np.random.default_rng(5).normal(size=(8, 3, 1)),
        "stimulus": np.repeat([0, 1], 4),
        "session": np.tile([0, 0, 1, 1], 2),
    }
    arguments = good | change
    epochs = arguments.pop("epochs")
    with pytest.raises(ValueError, match=message):
        decode_rdm(epochs, **arguments)  # type: ignore[arg-type]
