"""Support vector machines of pairs against scikit-learn, on noise, and with broken input."""

from typing import Literal

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.svm import SVC

from cliphba.meg.design import Design, k_fold, leave_one_session_out
from cliphba.meg.measure import Sums
from cliphba.meg.svm import prepare_svm

Array = NDArray[np.float64]
Value = Literal["accuracy", "decision"]


def classify(patterns: Array, design: Design, cost: float = 1.0, value: Value = "accuracy", threads: int = 1) -> Sums:
    measure = prepare_svm(design, cost=cost, value=value, threads=threads)
    return measure(patterns, np.arange(design.folds))


def classify_with_scikit_learn(patterns: Array, design: Design, cost: float, value: Value) -> Sums:
    pairs = np.transpose(np.triu_indices(design.stimuli, 1))
    total, folds = np.zeros(len(pairs)), np.zeros(len(pairs))
    for pair, fold in np.ndindex(len(pairs), design.folds):
        chosen = np.isin(design.stimulus, pairs[pair])
        test, training = chosen & (design.fold == fold), chosen & (design.fold != fold)
        if len(set(design.stimulus[test])) < 2 or len(set(design.stimulus[training])) < 2:
            continue
        classifier = SVC(kernel="linear", C=cost).fit(patterns[training], design.stimulus[training])
        if value == "accuracy":
            total[pair] += classifier.score(patterns[test], design.stimulus[test])
        else:
            sign = np.where(design.stimulus[test] == pairs[pair, 1], 1, -1)
            total[pair] += np.mean(sign * classifier.decision_function(patterns[test]))
        folds[pair] += 1
    return Sums(total, folds)


def draw(seed: int, *, stimuli: int, channels: int, most: int, signal: float = 0.5) -> tuple[Array, Design]:
    """Trials in shuffled order; each stimulus has 0 to `most` in a session, and some in the first two sessions."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, most + 1, size=(stimuli, 3))
    counts[:, :2] = np.maximum(counts[:, :2], 1)
    cell = generator.permutation(np.repeat(np.arange(counts.size), counts.ravel()))
    centres = signal * generator.normal(size=(stimuli, channels))
    patterns = centres[cell // 3] + generator.normal(size=(len(cell), channels))
    return patterns, leave_one_session_out(cell // 3, cell % 3)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    stimuli=st.integers(2, 4),
    channels=st.integers(2, 40),
    most=st.integers(1, 9),
    cost=st.sampled_from([0.01, 1.0, 100.0]),
)
def test_decision_values_are_those_of_scikit_learn(
    seed: int, stimuli: int, channels: int, most: int, cost: float
) -> None:
    patterns, design = draw(seed, stimuli=stimuli, channels=channels, most=most)
    found = classify(patterns, design, cost, "decision")
    expected = classify_with_scikit_learn(patterns, design, cost, "decision")
    np.testing.assert_array_equal(found.folds, expected.folds)
    # Far closer than the tolerance of the training, 1e-3: the same steps were taken.
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-6, atol=1e-6)


def test_accuracy_is_that_of_scikit_learn_in_all_but_one_of_a_thousand_pairs() -> None:
    same = []
    for seed in range(200):
        patterns, design = draw(seed, stimuli=5, channels=5 + seed % 30, most=1 + seed % 5, signal=0.3)
        cost = [0.01, 1.0, 100.0][seed % 3]
        expected = classify_with_scikit_learn(patterns, design, cost, "accuracy")
        same.append(np.isclose(classify(patterns, design, cost).total, expected.total, rtol=0, atol=1e-9))
    assert np.mean(same) >= 0.999


@pytest.mark.parametrize("cost", [0.01, 1.0, 100.0])
def test_values_of_any_scale_equal_those_of_scikit_learn(cost: float) -> None:
    patterns, design = draw(1, stimuli=3, channels=20, most=3)
    for scale, offset in ((0.01, 0.0), (100.0, 0.0), (1.0, 100.0)):
        changed = scale * patterns + offset
        found = classify(changed, design, cost, "decision").total
        expected = classify_with_scikit_learn(changed, design, cost, "decision").total
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("cost", "weight"), [(100.0, 1.0), (0.1, 0.2)])
def test_two_training_trials_give_the_known_boundary(cost: float, weight: float) -> None:
    # The weight that puts -1 and 1 on their margins is 1; a cost below a half limits it to twice the cost.
    design = Design(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]))
    patterns = np.array([[-1.0], [1.0], [-2.0], [3.0]])
    sums = prepare_svm(design, cost=cost, value="decision", threads=1)(patterns, np.array([1]))
    assert sums.total == pytest.approx([weight * (2 + 3) / 2])
    assert sums.folds == [1]


def test_a_trial_on_the_boundary_counts_for_the_second_stimulus() -> None:
    design = Design(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 0, 1]))
    patterns = np.zeros((5, 3))
    labels = SVC(kernel="linear").fit(patterns[[2, 4]], [0, 1]).predict(patterns[[0]])
    np.testing.assert_array_equal(labels, [1])
    measure = prepare_svm(design, cost=1.0, value="accuracy", threads=1)
    assert measure(patterns, np.array([0])).total == pytest.approx([1 / 3])


def test_null_is_chance() -> None:
    design = k_fold(np.repeat(np.arange(30), 8), folds=4, seed=0)
    patterns = np.random.default_rng(1).normal(size=(8, len(design.stimulus), 20))
    accuracy = [sums.total / sums.folds for sums in (classify(time, design) for time in patterns)]
    # 240 trials at 8 independent times: the standard error of the mean accuracy is about 0.011.
    assert np.mean(accuracy) == pytest.approx(0.5, abs=0.03)


def test_strong_signal_is_decoded_between_its_stimuli_only_and_pairs_stand_in_order() -> None:
    design = k_fold(np.repeat(np.arange(6), 6), folds=3, seed=0)
    generator = np.random.default_rng(2)
    centres = 20 * generator.normal(size=(6, 10))
    centres[4] = centres[1]
    patterns = centres[design.stimulus] + generator.normal(size=(36, 10))
    accuracy = classify(patterns, design).total / design.folds
    first, second = np.triu_indices(6, 1)
    alike = (first == 1) & (second == 4)
    assert accuracy[alike] < 0.9
    np.testing.assert_array_equal(accuracy[~alike], 1)


def test_folds_add_up_and_a_fold_without_a_stimulus_is_not_used() -> None:
    design = Design(np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 0, 1, 2, 0, 0, 1]))
    patterns = np.random.default_rng(3).normal(size=(9, 4))
    measure = prepare_svm(design, cost=1.0, value="decision", threads=1)
    together = measure(patterns, np.arange(3))
    single = [measure(patterns, np.array([fold])) for fold in range(3)]
    np.testing.assert_allclose(sum(sums.total for sums in single), together.total, rtol=1e-12)
    np.testing.assert_array_equal(together.folds, [3, 2, 2])
    np.testing.assert_array_equal(single[2].folds, [1, 0, 0])
    np.testing.assert_array_equal(single[2].total[1:], 0)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), stimuli=st.integers(2, 9))
def test_result_does_not_depend_on_threads(seed: int, stimuli: int) -> None:
    patterns, design = draw(seed, stimuli=stimuli, channels=7, most=3)
    before = numba.get_num_threads()
    one = classify(patterns, design, value="decision")
    two = classify(patterns, design, value="decision", threads=2)
    np.testing.assert_array_equal(one.total, two.total)
    np.testing.assert_array_equal(one.folds, two.folds)
    assert numba.get_num_threads() == before


@pytest.mark.parametrize("cost", [0.0, -1.0, np.inf, np.nan])
def test_refuses_cost(cost: float) -> None:
    _, design = draw(0, stimuli=2, channels=2, most=1)
    with pytest.raises(ValueError, match="cost must be"):
        prepare_svm(design, cost=cost, value="accuracy", threads=1)


@pytest.mark.parametrize(
    ("shape", "fill", "message"),
    [((3, 2), 0.0, "4 trials"), ((4,), 0.0, "4 trials"), ((4, 2), np.nan, "not finite"), ((4, 2), np.inf, "finite")],
)
def test_refuses_patterns(shape: tuple[int, ...], fill: float, message: str) -> None:
    design = Design(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    with pytest.raises(ValueError, match=message):
        classify(np.full(shape, fill), design)
