"""Noise normalisation against scikit-learn and rsatoolbox, on known covariances, on noise, and with broken input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm
from sklearn.covariance import ledoit_wolf, ledoit_wolf_shrinkage, shrunk_covariance

from cliphba.meg.design import Design, k_fold, leave_one_session_out
from cliphba.meg.distances import prepare_correlation, prepare_euclidean
from cliphba.meg.measure import Measure
from cliphba.meg.whitening import Shrinkage, noise_covariance, whitening_matrix
from tests.designs import full_design

Array = NDArray[np.float64]


def known_covariance(channels: int) -> Array:
    """Neighbours correlate and variances grow: what sensors look like."""
    place, deviation = np.arange(channels), np.linspace(1, 3, channels)
    return np.asarray(0.7 ** np.abs(place[:, None] - place) * np.outer(deviation, deviation))


def simulate(generator: np.random.Generator, design: Design, covariance: Array, signal: float = 2) -> Array:
    centres = signal * generator.normal(size=(design.stimuli, len(covariance)))
    noise = generator.multivariate_normal(np.zeros(len(covariance)), covariance, size=len(design.stimulus))
    return np.asarray(centres[design.stimulus] + noise)


def contrasts(patterns: Array, design: Design, fold: int) -> Array:
    """Independent samples of the noise: what each training trial differs by from the mean of those before it."""
    samples = []
    for stimulus in range(design.stimuli):
        trials = patterns[(design.stimulus == stimulus) & (design.fold != fold)]
        samples += [
            (trials[rank] - trials[:rank].mean(axis=0)) * np.sqrt(rank / (rank + 1)) for rank in range(1, len(trials))
        ]
    return np.array(samples)


def whitened_average(measure: Measure, patterns: Array, design: Design) -> Array:
    """Average over folds, each with the whitening of its own training trials."""
    total = folds = np.zeros(1)
    for fold in range(design.folds):
        matrix = whitening_matrix(noise_covariance(patterns, design, fold))
        sums = measure(patterns @ matrix, np.array([fold]))
        total, folds = total + sums.total, folds + sums.folds
    return np.asarray(total / folds)


def test_covariance_by_hand() -> None:
    design = full_design(stimuli=2, sessions=3, repetitions=1)
    patterns = np.array([[0.0, 0.0], [2.0, 0.0], [99.0, 99.0], [5.0, 1.0], [5.0, 5.0], [-99.0, 0.0]])
    # Without the last session residuals are (-1, 0), (1, 0) and (0, -2), (0, 2), with one degree of freedom each.
    np.testing.assert_allclose(noise_covariance(patterns, design, 2, shrinkage=0.0), [[1, 0], [0, 4]])
    np.testing.assert_allclose(noise_covariance(patterns, design, 2, shrinkage=0.5), [[1.75, 0], [0, 3.25]])
    np.testing.assert_allclose(noise_covariance(patterns, design, 2, shrinkage=1.0), [[2.5, 0], [0, 2.5]])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), channels=st.integers(2, 12), lost=st.sampled_from([0.0, 0.5]))
def test_covariance_without_shrinkage_is_that_of_independent_contrasts(seed: int, channels: int, lost: float) -> None:
    generator = np.random.default_rng(seed)
    full = full_design(stimuli=6, sessions=4, repetitions=2)
    kept = np.flatnonzero((np.arange(48) % 8 < 3) | (generator.random(48) > lost))
    design = leave_one_session_out(full.stimulus[kept], full.fold[kept])
    patterns = simulate(generator, design, known_covariance(channels))
    samples = contrasts(patterns, design, 0)
    found = noise_covariance(patterns, design, 0, shrinkage=0.0)
    np.testing.assert_allclose(found, samples.T @ samples / len(samples), rtol=1e-9, atol=1e-10)
    found = noise_covariance(patterns, design, 0, shrinkage=0.3)
    np.testing.assert_allclose(found, shrunk_covariance(samples.T @ samples / len(samples), 0.3), atol=1e-9)


def found_weight(covariance: Array, raw: Array) -> float:
    """Shrinkage scales every covariance between two channels by one minus its weight."""
    return float(1 - covariance[0, 1] / raw[0, 1])


def test_ledoit_wolf_is_scikit_learns_for_residuals_of_equal_repetitions() -> None:
    design = full_design(stimuli=10, sessions=4, repetitions=1)
    patterns = simulate(np.random.default_rng(0), design, known_covariance(6))
    cube = patterns.reshape(10, 4, 6)[:, 1:]
    residuals = (cube - cube.mean(axis=1, keepdims=True)).reshape(30, 6)
    raw = noise_covariance(patterns, design, 0, shrinkage=0.0)
    # Thirty residuals stand for twenty independent samples, and have two thirds of the variance.
    expected = ledoit_wolf_shrinkage(residuals, assume_centered=True) * 30 / 20
    assert found_weight(noise_covariance(patterns, design, 0), raw) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("repetitions", [1, 3])
def test_ledoit_wolf_shrinks_as_with_independent_samples(repetitions: int) -> None:
    generator = np.random.default_rng(1)
    full = full_design(stimuli=8, sessions=3, repetitions=repetitions)
    odd = (full.stimulus % 2 == 1) & (full.fold == 2)  # half of the stimuli keep fewer trials
    design = leave_one_session_out(full.stimulus[~odd], full.fold[~odd])
    found, expected = [], []
    for _ in range(200):
        patterns = simulate(generator, design, known_covariance(8))
        raw = noise_covariance(patterns, design, 0, shrinkage=0.0)
        found.append(found_weight(noise_covariance(patterns, design, 0), raw))
        expected.append(ledoit_wolf(contrasts(patterns, design, 0), assume_centered=True)[1])
    assert 0.02 < np.mean(expected) < 1
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.05)


def test_two_trials_a_stimulus_suffice_to_find_a_known_covariance() -> None:
    design = full_design(stimuli=4000, sessions=3, repetitions=1)
    covariance = known_covariance(5)
    found = noise_covariance(simulate(np.random.default_rng(2), design, covariance), design, 1)
    np.testing.assert_allclose(found, covariance, atol=0.06 * covariance.max())


def test_whitened_noise_has_unit_covariance() -> None:
    design = full_design(stimuli=100, sessions=5, repetitions=6)
    patterns = simulate(np.random.default_rng(3), design, known_covariance(10))
    raw = noise_covariance(patterns, design, 0, shrinkage=0.0)
    whitened = patterns @ whitening_matrix(raw)
    np.testing.assert_allclose(noise_covariance(whitened, design, 0, shrinkage=0.0), np.eye(10), atol=1e-10)
    shrunk = patterns @ whitening_matrix(noise_covariance(patterns, design, 0))
    np.testing.assert_allclose(noise_covariance(shrunk, design, 0, shrinkage=0.0), np.eye(10), atol=0.1)


def test_whitening_matrix_is_the_symmetric_inverse_root() -> None:
    np.testing.assert_allclose(whitening_matrix(np.diag([4.0, 0.25])), np.diag([0.5, 2]))
    covariance = 1e-26 * known_covariance(30)
    matrix = whitening_matrix(covariance)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-9)
    np.testing.assert_allclose(matrix @ covariance @ matrix, np.eye(30), atol=1e-9)


@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", 0.1])
@pytest.mark.parametrize("design", [full_design(6, 4, 2), k_fold(np.repeat(np.arange(6), 8), folds=4, seed=1)])
def test_test_trials_have_no_influence(design: Design, shrinkage: Shrinkage) -> None:
    generator = np.random.default_rng(4)
    patterns = simulate(generator, design, known_covariance(7))
    before = noise_covariance(patterns, design, 2, shrinkage=shrinkage)
    patterns[design.fold == 2] = 1e6 * generator.normal(size=patterns[design.fold == 2].shape)
    np.testing.assert_array_equal(noise_covariance(patterns, design, 2, shrinkage=shrinkage), before)
    assert not np.allclose(noise_covariance(patterns, design, 1, shrinkage=shrinkage), before)
    patterns[design.fold == 2] = np.nan
    np.testing.assert_array_equal(noise_covariance(patterns, design, 2, shrinkage=shrinkage), before)


def test_times_are_averaged_after_shrinkage() -> None:
    design = full_design(stimuli=5, sessions=3, repetitions=2)
    generator = np.random.default_rng(5)
    epochs = np.stack([simulate(generator, design, known_covariance(6)) for _ in range(3)], axis=2)
    single = [noise_covariance(epochs[:, :, time], design, 1) for time in range(3)]
    np.testing.assert_allclose(noise_covariance(epochs, design, 1), np.mean(single, axis=0), rtol=1e-12)


def test_single_trials_add_nothing() -> None:
    generator = np.random.default_rng(6)
    design = full_design(stimuli=5, sessions=3, repetitions=1)
    patterns = simulate(generator, design, known_covariance(4))
    # A sixth stimulus has one trial in the first fold and one in the second: one is left to train either.
    wider = Design(np.append(design.stimulus, [5, 5]), np.append(design.fold, [0, 1]))
    more = np.vstack([patterns, 1e3 * generator.normal(size=(2, 4))])
    np.testing.assert_allclose(noise_covariance(more, wider, 0), noise_covariance(patterns, design, 0), rtol=1e-9)


def test_crossnobis_is_rsatoolboxs_given_one_precision() -> None:
    design = full_design(stimuli=6, sessions=4, repetitions=2)
    patterns = simulate(np.random.default_rng(7), design, known_covariance(9))
    covariance = noise_covariance(patterns, design, 0)
    total, folds = prepare_euclidean(design)(patterns @ whitening_matrix(covariance), np.arange(4))
    precision = np.linalg.inv(covariance)
    data = Dataset(patterns, obs_descriptors={"stimulus": design.stimulus, "fold": design.fold})
    for noise in (precision, [precision] * 4):
        expected = calc_rdm(data, method="crossnobis", descriptor="stimulus", cv_descriptor="fold", noise=noise)
        np.testing.assert_allclose(total / folds, expected.get_vectors()[0], rtol=1e-7)


def test_crossnobis_of_every_fold_is_rsatoolboxs_given_its_precision() -> None:
    design = full_design(stimuli=6, sessions=4, repetitions=2)
    patterns = simulate(np.random.default_rng(8), design, known_covariance(9))
    for fold in range(4):
        covariance = noise_covariance(patterns, design, fold)
        found = prepare_euclidean(design)(patterns @ whitening_matrix(covariance), np.array([fold]))
        # With two folds, training and test trials, rsatoolbox compares just the two that this fold does.
        halves = {"stimulus": design.stimulus, "half": design.fold == fold}
        expected = calc_rdm(
            Dataset(patterns, obs_descriptors=halves),
            method="crossnobis",
            descriptor="stimulus",
            cv_descriptor="half",
            noise=np.linalg.inv(covariance),
        )
        np.testing.assert_allclose(found.total, expected.get_vectors()[0], rtol=1e-7)


@pytest.mark.parametrize("prepare", [prepare_euclidean, prepare_correlation])
@pytest.mark.parametrize("design", [full_design(10, 4, 2), k_fold(np.repeat(np.arange(10), 7), folds=3, seed=0)])
def test_null_stays_zero_when_whitened(prepare: Callable[[Design], Measure], design: Design) -> None:
    generator = np.random.default_rng(9)
    measure, covariance = prepare(design), known_covariance(12)
    means = [
        whitened_average(measure, simulate(generator, design, covariance, signal=0), design).mean()
        for _ in range(100)
    ]
    assert abs(np.mean(means)) < 3 * np.std(means) / np.sqrt(100)
    assert min(means) < 0 < max(means)


def test_whitening_tells_patterns_apart_better() -> None:
    design, generator = full_design(stimuli=8, sessions=4, repetitions=4), np.random.default_rng(10)
    measure, covariance = prepare_euclidean(design), known_covariance(12)
    centres = 0.3 * generator.normal(size=(8, 12))
    reliability = []
    for whiten in (False, True):
        rdms = []
        for _ in range(20):
            patterns = centres[design.stimulus] + simulate(generator, design, covariance, signal=0)
            total, folds = measure(patterns, np.arange(4))
            rdms.append(whitened_average(measure, patterns, design) if whiten else total / folds)
        reliability.append(np.corrcoef(rdms)[np.triu_indices(20, 1)].mean())
    assert reliability[1] > reliability[0] + 0.2


def test_broken_input_is_refused() -> None:
    design = full_design(stimuli=3, sessions=2, repetitions=2)
    patterns = np.random.default_rng(11).normal(size=(12, 4))
    with pytest.raises(ValueError, match="12 trials of the design: their shape is \\(11, 4\\)"):
        noise_covariance(patterns[1:], design, 0)
    with pytest.raises(ValueError, match="no fold 2: the design has folds 0 to 1"):
        noise_covariance(patterns, design, 2)
    for wrong in (1.1, -0.1, float("nan"), "oas"):
        with pytest.raises(ValueError, match="shrinkage must lie from 0 to 1"):
            noise_covariance(patterns, design, 0, shrinkage=wrong)
    with pytest.raises(ValueError, match="not finite"):
        noise_covariance(np.full((12, 4), np.nan), design, 0)


def test_too_few_repetitions_are_refused() -> None:
    design = full_design(stimuli=3, sessions=2, repetitions=1)
    with pytest.raises(ValueError, match=r"fewer than two repetitions.*give more trials"):
        noise_covariance(np.ones((6, 4)), design, 0)


def test_a_covariance_without_inverse_is_refused() -> None:
    design = full_design(stimuli=3, sessions=2, repetitions=2)
    patterns = np.random.default_rng(12).normal(size=(12, 4))
    with pytest.raises(ValueError, match="raise its shrinkage"):
        whitening_matrix(noise_covariance(patterns, design, 0, shrinkage=0.0))
    with pytest.raises(ValueError, match="drop channels"):
        whitening_matrix(np.zeros((4, 4)))
