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
    epochs = generator.normal(size=(len(order), channels, 1)) + generator.normal(size=(stimuli, channels, 1))[stimulus]
    if repetitions == 1:  # where so much may be lost that two training trials are left
        epochs, stimulus, session = epochs, stimulus, session
    decoded = decode_rdm(epochs, stimulus=stimulus, session=session, shrinkage=shrinkage)
    for pair, (first, second) in enumerate(zip(*np.triu_indices(stimuli, 1), strict=True)):
        chosen = (stimulus == first) | (stimulus == second)
        expected, closest = decode_with_scikit_learn(
            epochs[chosen, :, 0], (stimulus[chosen] == second).astype(np.int64), session[chosen], shrinkage
        )
        if closest > 1e-5:
            assert decoded[0, pair] == pytest.approx(expected, abs=1e-6)
