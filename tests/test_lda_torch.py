"""Linear discriminant analysis in torch against its compiled twin and scikit-learn, on noise, with broken input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cliphba.meg import lda_torch
from cliphba.meg.design import Design, k_fold, leave_one_session_out
from cliphba.meg.lda import prepare_lda
from cliphba.meg.lda_torch import prepare_lda_torch
from tests.designs import full_design
from tests.devices import DEVICES

Array = NDArray[np.float64]
COSMO = 0.01 / 1.01
on_devices = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noisy(design: Design, channels: int, *, steepness: float = 0.0, unevenness: float = 0.0, seed: int = 0) -> Array:
    """Patterns whose noise fades by so many powers of ten over channels, mixed, and over folds."""
    generator = np.random.default_rng(seed)
    mixing = np.linalg.qr(generator.normal(size=(channels, channels)))[0]
    scale = np.logspace(0, -steepness, channels)
    strength = np.logspace(0, -unevenness, design.folds)[design.fold]
    noise = strength[:, None] * generator.normal(size=(len(design.stimulus), channels))
    return (0.3 * generator.normal(size=(design.stimuli, channels))[design.stimulus] + noise) * scale @ mixing


def with_losses(full: Design, lost: float, seed: int) -> Design:
    """Lose trials and shuffle the others; every stimulus keeps two folds of its own, so that pairs differ."""
    generator = np.random.default_rng(seed)
    own = (full.fold - full.stimulus) % full.folds < 2
    kept = generator.permutation(np.flatnonzero(own | (generator.random(len(own)) >= lost)))
    return leave_one_session_out(full.stimulus[kept], full.fold[kept])


def decide(patterns: Array, design: Design, shrinkage: float = COSMO, *, device: str = "cpu") -> Array:
    measure = prepare_lda_torch(design, shrinkage=shrinkage, value="decision", device=device)
    return measure(patterns, np.arange(design.folds)).total


def assert_equals_compiled(
    patterns: NDArray[np.floating],
    design: Design,
    folds: NDArray[np.int64],
    shrinkage: float = COSMO,
    tolerance: float = 1e-9,
    *,
    device: str = "cpu",
) -> None:
    for value in ("accuracy", "decision"):
        found = prepare_lda_torch(design, shrinkage=shrinkage, value=value, device=device)(patterns, folds)
        expected = prepare_lda(design, shrinkage=shrinkage, value=value)(patterns, folds)
        np.testing.assert_array_equal(found.folds, expected.folds)
        largest = 1e-3 if value == "accuracy" else np.abs(expected.total).max()
        np.testing.assert_allclose(found.total, expected.total, rtol=0, atol=tolerance * largest)


@on_devices
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    stimuli=st.integers(2, 11),
    sessions=st.integers(2, 6),
    repetitions=st.integers(1, 3),
    channels=st.integers(10, 60),
    lost=st.sampled_from([0.0, 0.3]),
    steepness=st.sampled_from([0.0, 2.0, 4.0]),
    unevenness=st.sampled_from([0.0, 0.5, 2.0]),
    shrinkage=st.sampled_from([COSMO, 0.3, 0.9]),
    single=st.booleans(),
)
def test_equals_compiled(
    seed: int,
    stimuli: int,
    sessions: int,
    repetitions: int,
    channels: int,
    lost: float,
    steepness: float,
    unevenness: float,
    shrinkage: float,
    single: bool,
    *,
    device: str,
) -> None:
    design = with_losses(full_design(stimuli, sessions, repetitions), lost, seed)
    patterns = noisy(design, channels, steepness=steepness, unevenness=unevenness, seed=seed)
    folds = np.arange(design.folds)
    # both are as exact as their expansions; of two folds one of which is a hundred times the other, both lose digits
    tolerance = 1e-4 if unevenness > 1 else 1e-8
    assert_equals_compiled(patterns, design, folds[-1:] if single else folds, shrinkage, tolerance, device=device)


@on_devices
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), trials=st.integers(4, 14), folds=st.integers(2, 4))
def test_equals_compiled_over_random_folds(seed: int, trials: int, folds: int, device: str) -> None:
    generator = np.random.default_rng(seed)
    design = k_fold(np.repeat(np.arange(4), trials + generator.integers(3, size=4)), folds=folds, seed=seed)
    patterns = noisy(design, 30, steepness=1.0, seed=seed).astype(np.float32)
    assert_equals_compiled(patterns, design, np.arange(folds), device=device)


@on_devices
@pytest.mark.parametrize("shrinkage", [1e-4, COSMO, 0.5])
@pytest.mark.parametrize("channels", [3, 40])
def test_equals_scikit_learn(shrinkage: float, channels: int, device: str) -> None:
    design = with_losses(full_design(stimuli=4, sessions=4, repetitions=2), lost=0.2, seed=1)
    patterns = noisy(design, channels, steepness=2.0, unevenness=1.0)
    expected = []
    for first, second in zip(*np.triu_indices(4, 1), strict=True):
        of_pair = np.isin(design.stimulus, [first, second])
        expected.append(0.0)
        for fold in np.flatnonzero((design.counts[[first, second]] > 0).all(axis=0)):
            train, test = (of_pair & (chosen == (design.fold == fold)) for chosen in (False, True))
            classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
            classifier.fit(patterns[train], design.stimulus[train] == second)
            side = np.where(design.stimulus[test] == second, 1, -1)
            expected[-1] += np.mean(classifier.decision_function(patterns[test]) * side)
    found = decide(patterns, design, shrinkage, device=device)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


@on_devices
def test_folds_too_far_from_the_mean_ridge_are_decoded_again(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    design = full_design(stimuli=6, sessions=4, repetitions=2)
    near, far = (noisy(design, 30, unevenness=unevenness) for unevenness in (0.0, 2.0))
    monkeypatch.setattr(lda_torch, "LARGEST_ERROR", 1e-300)  # every fold is decoded again
    exact = [decide(patterns, design, device=device) for patterns in (near, far)]
    monkeypatch.setattr(lda_torch, "LARGEST_ERROR", np.inf)  # none is
    np.testing.assert_allclose(decide(near, design, device=device), exact[0], rtol=1e-6)
    assert not np.allclose(decide(far, design, device=device), exact[1], rtol=1e-3)
    monkeypatch.undo()
    np.testing.assert_allclose(decide(far, design, device=device), exact[1], rtol=1e-9)


@on_devices
@pytest.mark.parametrize("largest_error", [lda_torch.LARGEST_ERROR, 1e-300])
@pytest.mark.parametrize("memory", [0, 10**5, 10**6])
def test_result_does_not_depend_on_the_work_memory(
    monkeypatch: pytest.MonkeyPatch, memory: int, largest_error: float, device: str
) -> None:
    design = full_design(stimuli=9, sessions=3, repetitions=1)
    patterns = noisy(design, 20)
    monkeypatch.setattr(lda_torch, "LARGEST_ERROR", largest_error)
    expected = decide(patterns, design, device=device)
    monkeypatch.setattr(lda_torch, "WORK_MEMORY", memory)
    np.testing.assert_allclose(decide(patterns, design, device=device), expected, rtol=1e-9)


def test_single_folds_add_up() -> None:
    design = with_losses(full_design(stimuli=5, sessions=4, repetitions=2), lost=0.3, seed=2)
    patterns = noisy(design, 30)
    measure = prepare_lda_torch(design, shrinkage=COSMO, value="decision", device="cpu")
    together = measure(patterns, np.arange(4))
    singly = [measure(patterns, np.array([fold])) for fold in range(4)]
    np.testing.assert_allclose(sum(sums.total for sums in singly), together.total, rtol=1e-7)
    np.testing.assert_array_equal(sum(sums.folds for sums in singly), together.folds)


def test_accuracy_does_not_depend_on_unit_or_offset() -> None:
    design = full_design(stimuli=6, sessions=4, repetitions=2)
    patterns = noisy(design, 30)
    measure = prepare_lda_torch(design, shrinkage=COSMO, device="cpu")
    expected = measure(patterns, np.arange(4)).total
    for changed in (1e-13 * patterns, 100 * patterns + 1000):  # tesla, and far from zero
        np.testing.assert_array_equal(measure(changed, np.arange(4)).total, expected)


def test_patterns_may_be_read_only_and_strided() -> None:
    design = full_design(stimuli=3, sessions=3, repetitions=2)
    epochs = np.random.default_rng(3).normal(size=(18, 12, 5))
    epochs.flags.writeable = False
    assert_equals_compiled(epochs[:, :, 2], design, np.arange(3))


def test_null_is_chance() -> None:
    design = full_design(stimuli=20, sessions=4, repetitions=2)
    measure = prepare_lda_torch(design, shrinkage=COSMO, device="cpu")
    generator = np.random.default_rng(4)
    sums = [measure(generator.normal(size=(160, 30)), np.arange(4)) for _ in range(30)]
    accuracy = [(each.total / each.folds).mean() for each in sums]
    # the standard error is estimated from what is independent
    assert np.mean(accuracy) == pytest.approx(0.5, abs=3 * np.std(accuracy) / np.sqrt(30))
    assert np.std(accuracy) / np.sqrt(30) < 0.01


def test_two_training_trials_are_too_few() -> None:
    design = full_design(stimuli=3, sessions=2, repetitions=1)
    sums = prepare_lda_torch(design, shrinkage=COSMO, device="cpu")(noisy(design, 5), np.arange(2))
    np.testing.assert_array_equal(sums, np.zeros((2, 3)))


def test_patterns_that_are_not_finite_stay_so() -> None:
    design = full_design(stimuli=3, sessions=3, repetitions=2)
    patterns = noisy(design, 5)
    patterns[0, 0] = np.nan
    assert np.isnan(decide(patterns, design)).all()


@pytest.mark.parametrize("shrinkage", [0.0, 1.0, -0.1])
def test_refuses(shrinkage: float) -> None:
    with pytest.raises(ValueError, match="shrinkage must lie between 0 and 1"):
        prepare_lda_torch(full_design(2, 2, 2), shrinkage=shrinkage, device="cpu")
