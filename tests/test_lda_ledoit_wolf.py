"""Pairwise decoding with Ledoit-Wolf shrinkage against scikit-learn, on noise, and with broken input."""

import warnings
from typing import Literal

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from cliphba.meg.design import Design, k_fold, leave_one_session_out
from cliphba.meg.lda_ledoit_wolf import _shrinkage, prepare_lda_ledoit_wolf
from cliphba.meg.measure import Sums
from cliphba.meg.simd import LANES

Array = NDArray[np.float64]


def classify(
    patterns: Array, design: Design, value: Literal["accuracy", "decision"] = "accuracy", threads: int = 1
) -> Sums:
    return prepare_lda_ledoit_wolf(design, value=value, threads=threads)(patterns, np.arange(design.folds))


def decide_with_scikit_learn(patterns: Array, design: Design, first: int, second: int) -> list[Array]:
    """Decisions of each usable fold, a row each: towards the own side, and towards the second stimulus."""
    chosen = np.isin(design.stimulus, [first, second])
    patterns, label, fold = patterns[chosen], design.stimulus[chosen] == second, design.fold[chosen]
    decisions = []
    for test in (fold == number for number in range(design.folds)):
        if min(len(set(label[test])), len(set(label[~test]))) == 2 and (~test).sum() > 2:
            classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                decision = classifier.fit(patterns[~test], label[~test]).decision_function(patterns[test])
            assert classifier.score(patterns[test], label[test]) == np.mean((decision > 0) == label[test])
            decisions.append(np.array([np.where(label[test], decision, -decision), decision]))
    return decisions


def assert_like_scikit_learn(patterns: Array, design: Design) -> None:
    accuracy, decision = classify(patterns, design), classify(patterns, design, "decision")
    pairs = zip(*np.triu_indices(design.stimuli, 1), strict=True)
    for pair, (first, second) in enumerate(pairs):
        folds = decide_with_scikit_learn(patterns, design, first, second)
        assert accuracy.folds[pair] == decision.folds[pair] == len(folds)
        if folds:
            scale = max(np.abs(fold).max() for fold in folds)
            expected = sum(fold[0].mean() for fold in folds)
            assert decision.total[pair] == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
            if min(np.abs(fold).min() for fold in folds) > 1e-5 * scale:
                right = sum(np.mean((fold[1] > 0) == (fold[0] == fold[1])) for fold in folds)
                assert accuracy.total[pair] == pytest.approx(right, abs=1e-12)


def draw(seed: int, *, stimuli: int, channels: int, most: int, sessions: int = 3) -> tuple[Array, Design]:
    """Trials in shuffled order; each stimulus has 0 to `most` in a session, and some in the first two sessions."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, most + 1, size=(stimuli, sessions))
    counts[:, :2] = np.maximum(counts[:, :2], 1)
    cell = generator.permutation(np.repeat(np.arange(counts.size), counts.ravel()))
    centres = generator.normal(size=(stimuli, channels))
    noise = generator.normal(size=(len(cell), channels)) @ generator.normal(size=(channels, channels))
    return centres[cell // sessions] + noise, leave_one_session_out(cell // sessions, cell % sessions)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    stimuli=st.integers(2, 5),
    sessions=st.integers(2, 5),
    channels=st.integers(1, 30),
    most=st.integers(1, 4),
)
def test_equals_scikit_learn(seed: int, stimuli: int, sessions: int, channels: int, most: int) -> None:
    patterns, design = draw(seed, stimuli=stimuli, channels=channels, most=most, sessions=sessions)
    assert_like_scikit_learn(patterns, design)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), trials=st.integers(1, 8), channels=st.integers(1, 20))
def test_shrinkage_is_that_of_scikit_learn(seed: int, trials: int, channels: int) -> None:
    patterns = np.random.default_rng(seed).normal(size=(trials, channels))
    standardised = StandardScaler().fit_transform(patterns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = ledoit_wolf_shrinkage(standardised)
    if channels > 1:  # of a single channel any shrinkage is the same
        assert _shrinkage(standardised @ standardised.T, float(trials), channels) == pytest.approx(expected, abs=1e-9)


def draw_helmet(sessions: int) -> tuple[Array, Design]:
    """Patterns of three stimuli at 271 channels, one trial a session, with correlated noise."""
    design = leave_one_session_out(np.repeat(np.arange(3), sessions), np.tile(np.arange(sessions), 3))
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(3 * sessions, 40)) @ generator.normal(size=(40, 271))
    patterns = noise + 0.3 * generator.normal(size=noise.shape) + 2 * design.stimulus[:, None]
    return patterns, design


@pytest.mark.parametrize("sessions", [4, 12])
def test_equals_scikit_learn_with_as_many_channels_as_a_helmet(sessions: int) -> None:
    assert_like_scikit_learn(*draw_helmet(sessions))


def test_two_training_trials_each_are_not_shrunk() -> None:
    # scikit-learn's answer hangs on rounding here: a shrinkage of 1e-16 is nearly inverted.
    patterns, design = draw_helmet(3)
    decision = prepare_lda_ledoit_wolf(design, value="decision")(patterns, np.array([2])).total
    sessions = patterns.reshape(3, 3, -1)
    for pair, (first, second) in enumerate(zip(*np.triu_indices(3, 1), strict=True)):
        training = sessions[[first, second], :2]
        covariance = np.mean([np.cov(trials.T, bias=True) for trials in training], axis=0)
        mean, other_mean = training.mean(axis=1)
        weights = np.linalg.pinv(covariance, rtol=1e-10, hermitian=True) @ (other_mean - mean)
        assert decision[pair] == pytest.approx((sessions[second, 2] - sessions[first, 2]) @ weights / 2)


def test_channels_of_unequal_scale_and_offset_are_treated_as_by_scikit_learn() -> None:
    patterns, design = draw(6, stimuli=4, channels=8, most=4)
    assert_like_scikit_learn(patterns * np.logspace(-2, 2, 8) + 10, design)


@pytest.mark.parametrize("level", [0.0, 3.7])
def test_channels_that_do_not_vary_are_treated_as_by_scikit_learn(level: float) -> None:
    patterns, design = draw(7, stimuli=4, channels=6, most=4)
    patterns[:, 0] = level
    patterns[design.stimulus == 0, 1] = level
    patterns[:, 2] = level + design.stimulus
    patterns[:, 3] = 1000 + 1e-13 * patterns[:, 3]
    assert_like_scikit_learn(patterns, design)


def test_patterns_that_do_not_vary_at_all_leave_the_priors() -> None:
    # One fold only has three training trials; decisions towards the first stimulus and away from it cancel.
    design = Design(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 0, 1]))
    sums = classify(np.ones((6, 4)), design, "decision")
    np.testing.assert_array_equal(sums.folds, [1])
    assert sums.total == pytest.approx([0.0])
    assert_like_scikit_learn(np.ones((6, 4)), design)


def test_one_channel_gives_the_known_boundary() -> None:
    # Fold 0 trains on -1 and 1 (mean 0) and on 3 and 5 (mean 4): variance 1, boundary 2, weight 4.
    design = Design(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 1, 0, 1, 1]))
    patterns = np.array([[1.5], [-1.0], [1.0], [2.25], [3.0], [5.0]])
    measure = prepare_lda_ledoit_wolf(design, value="decision")
    assert measure(patterns, np.array([0])).total == pytest.approx([4 * (0.5 + 0.25) / 2])


def test_null_is_chance() -> None:
    design = k_fold(np.repeat(np.arange(30), 8), folds=4, seed=0)
    patterns = np.random.default_rng(1).normal(size=(8, len(design.stimulus), 20))
    accuracy = [sums.total / sums.folds for sums in (classify(time, design) for time in patterns)]
    # 240 trials at 8 independent times: the standard error of the mean accuracy is about 0.011.
    assert np.mean(accuracy) == pytest.approx(0.5, abs=0.03)


def test_strong_signal_is_decoded_and_pairs_stand_in_order_beyond_one_tile() -> None:
    stimuli = 2 * LANES + 3
    design = k_fold(np.repeat(np.arange(stimuli), 6), folds=3, seed=0)
    generator = np.random.default_rng(2)
    centres = 20 * generator.normal(size=(stimuli, 10))
    centres[LANES + 4] = centres[1]
    patterns = centres[design.stimulus] + generator.normal(size=(len(design.stimulus), 10))
    accuracy = classify(patterns, design).total / design.folds
    first, second = np.triu_indices(stimuli, 1)
    alike = (first == 1) & (second == LANES + 4)
    assert accuracy[alike] < 0.9
    np.testing.assert_array_equal(accuracy[~alike], 1)


def test_folds_add_up_and_a_fold_without_a_stimulus_is_not_used() -> None:
    design = Design(np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 0, 1, 2, 0, 0, 1]))
    patterns = np.random.default_rng(3).normal(size=(9, 4))
    measure = prepare_lda_ledoit_wolf(design, value="decision")
    together = measure(patterns, np.arange(3))
    single = [measure(patterns, np.array([fold])) for fold in range(3)]
    np.testing.assert_allclose(sum(sums.total for sums in single), together.total, rtol=1e-12)
    np.testing.assert_array_equal(together.folds, [3, 2, 2])
    np.testing.assert_array_equal(single[2].folds, [1, 0, 0])
    np.testing.assert_array_equal(single[2].total[1:], 0)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), stimuli=st.integers(2, 2 * LANES + 3))
def test_result_does_not_depend_on_threads(seed: int, stimuli: int) -> None:
    patterns, design = draw(seed, stimuli=stimuli, channels=7, most=3)
    before = numba.get_num_threads()
    one = classify(patterns, design, "decision")
    two = classify(patterns, design, "decision", threads=2)
    np.testing.assert_array_equal(one.total, two.total)
    np.testing.assert_array_equal(one.folds, two.folds)
    assert numba.get_num_threads() == before


def test_result_does_not_depend_on_precision_offset_or_order() -> None:
    patterns, design = draw(4, stimuli=LANES + 4, channels=12, most=4)
    patterns = patterns.astype(np.float32).astype(np.float64)
    order = np.random.default_rng(5).permutation(len(patterns))
    expected = classify(patterns, design)
    for changed in (
        classify(patterns.astype(np.float32), design),
        classify(100 * patterns + 1000, design),
        classify(patterns[order], Design(design.stimulus[order], design.fold[order])),
    ):
        np.testing.assert_array_equal(changed.total, expected.total)


@pytest.mark.parametrize(
    ("shape", "fill", "message"),
    [((3, 2), 0.0, "4 trials"), ((4,), 0.0, "4 trials"), ((4, 2), np.nan, "not finite"), ((4, 2), np.inf, "finite")],
)
def test_refuses_patterns(shape: tuple[int, ...], fill: float, message: str) -> None:
    design = Design(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    with pytest.raises(ValueError, match=message):
        classify(np.full(shape, fill), design)
