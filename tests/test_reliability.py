"""Reliability of RDM time courses against SciPy, rsatoolbox, known noise, and with broken input."""

from __future__ import annotations

import tracemalloc
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
from rsatoolbox.rdm import RDMs as ToolboxRDMs
from scipy.stats import pearsonr, spearmanr

from cliphba import rdm
from cliphba.evaluate import alignment
from cliphba.meg.engine import decode_rdm
from cliphba.meg.reliability import (
    BLOCK,
    Method,
    mean_split_half_reliability,
    noise_ceiling,
    session_splits,
    spearman_brown,
    split_half_reliability,
    time_generalisation,
)
from cliphba.tables import RDMs

METHODS: list[Method] = ["spearman", "pearson"]
SCIPY = {"spearman": spearmanr, "pearson": pearsonr}
TOOLBOX = {"spearman": "spearman", "pearson": "corr"}


def draw_rdms(seed: int, *shape: int, step: float = 0.1) -> NDArray[np.float64]:
    """Values with ties, as decoding gives them."""
    return step * np.round(np.random.default_rng(seed).normal(size=shape) / step)


def test_split_half_by_hand() -> None:
    first = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.1, 0.1, 0.1]])
    second = np.array([[1.0, 3.0, 2.0], [9.0, 4.0, 1.0], [2.0, 3.0, 9.0], [0.1, 0.2, 0.3]])
    found = split_half_reliability(first, second, method="spearman")
    np.testing.assert_allclose(found.correlation, [0.5, -1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(found.corrected[[0, 2, 3]], [2 / 3, 1, 0], atol=1e-12)


def test_spearman_brown_by_hand() -> None:
    np.testing.assert_allclose(spearman_brown(np.array([-1, -0.5, 0, 0.5, 1])), [-np.inf, -2, 0, 2 / 3, 1])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    times=st.integers(1, BLOCK + 4),
    pairs=st.integers(5, 40),
    method=st.sampled_from(METHODS),
    precision=st.sampled_from([np.float32, np.float64]),
)
def test_correlations_are_scipys(seed: int, times: int, pairs: int, method: Method, precision: type) -> None:
    first, second = draw_rdms(seed, 2, times, pairs).astype(precision)
    expected = [[SCIPY[method](one, other).statistic for other in second] for one in first]
    found = time_generalisation(first, second, method=method)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-6)
    halves = split_half_reliability(first, second, method=method)
    np.testing.assert_allclose(halves.correlation, np.diag(expected), atol=1e-6)


def test_spearman_brown_predicts_the_reliability_of_all_data() -> None:
    random = np.random.default_rng(1)
    geometry = random.normal(size=(1, 40_000))
    halves = geometry + 1.5 * random.normal(size=(4, 1, 40_000))
    found = split_half_reliability(halves[0], halves[1], method="pearson")
    whole, replication = halves[:2].mean(0), halves[2:].mean(0)
    assert found.corrected == pytest.approx(rdm.pearson(whole, replication), abs=0.02)
    assert found.corrected - found.correlation > 0.1


def test_pure_noise_has_no_reliability() -> None:
    found = split_half_reliability(draw_rdms(2, 50, 400), draw_rdms(3, 50, 400), method="spearman")
    # the mean of 50 correlations of 400 pairs has a standard error of 0.007
    assert found.correlation.mean() == pytest.approx(0, abs=0.025)


@pytest.mark.parametrize("method", METHODS)
def test_undefined_and_constant_rdms(method: Method) -> None:
    first, second = draw_rdms(4, 2, 3, 2000).astype(np.float32)
    first[0, 5] = np.nan
    first[1], second[2] = 0.1, 0.7
    correlation = split_half_reliability(first, second, method=method).correlation
    np.testing.assert_array_equal(correlation, [np.nan, 0, 0])
    generalisation = time_generalisation(first, second, method=method)
    np.testing.assert_array_equal(np.isnan(generalisation), np.isnan(correlation)[:, None].repeat(3, axis=1))
    assert (generalisation[1] == 0).all()


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([1, 2], [([1], [2])]),
        ([4, 4, 2, 9], [([2], [4, 9]), ([4], [2, 9]), ([9], [2, 4])]),
        ([1, 2, 3, 4], [([1, 2], [3, 4]), ([1, 3], [2, 4]), ([1, 4], [2, 3])]),
    ],
)
def test_all_splits_by_hand(sessions: list[int], expected: list[tuple[list[int], list[int]]]) -> None:
    found = session_splits(np.array(sessions), splits=100, seed=0)
    assert [(first.tolist(), second.tolist()) for first, second in found] == expected


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), sessions=st.integers(2, 40), splits=st.integers(1, 30))
def test_splits_are_balanced_different_and_of_all_sessions(seed: int, sessions: int, splits: int) -> None:
    numbers = np.arange(sessions) * 3 + 1
    found = session_splits(numbers, splits=splits, seed=seed)
    halves = {frozenset({frozenset(first.tolist()), frozenset(second.tolist())}) for first, second in found}
    possible = comb(sessions, sessions // 2) // (1 if sessions % 2 else 2)
    assert len(found) == len(halves) == min(splits, possible)
    for first, second in found:
        assert len(second) - len(first) == sessions % 2
        np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), numbers)


def test_splits_depend_on_the_seed_alone_and_favour_no_session() -> None:
    sessions = np.arange(12)
    first, again, other = (session_splits(sessions, splits=200, seed=seed) for seed in (1, 1, 2))
    assert str(first) == str(again) != str(other)
    together = np.zeros((12, 12))
    for half in (half for split in first for half in split):
        together[np.ix_(half, half)] += 1
    # any two of twelve sessions meet in 5 of 11 splits: 91 of 200, with a standard deviation of 7
    assert np.abs(rdm.to_triangle(together) - 200 * 5 / 11).max() < 4 * 7


def test_mean_over_splits_corrects_the_mean() -> None:
    by_session = draw_rdms(5, 4, 3, 28)
    splits = session_splits(np.arange(4), splits=3, seed=0)
    found = mean_split_half_reliability(lambda chosen: by_session[chosen].mean(0), splits, method="pearson")
    expected = np.mean(
        [rdm.pearson(by_session[[0, one]].mean(0), np.delete(by_session, [0, one], 0).mean(0)) for one in (1, 2, 3)],
        0,
    )
    np.testing.assert_allclose(found.correlation, expected, atol=1e-12)
    np.testing.assert_allclose(found.corrected, 2 * expected / (1 + expected), atol=1e-12)


def test_decoding_is_reliable_where_there_is_signal() -> None:
    random = np.random.default_rng(6)
    stimulus, session, _ = (axis.ravel() for axis in np.indices((16, 4, 4)))
    epochs = random.normal(size=(len(stimulus), 8, 2))
    epochs[:, 0, 1] += stimulus  # neighbours are hard to tell apart, others are not

    def decode(chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        kept = np.isin(session, chosen)
        return decode_rdm(epochs[kept], stimulus=stimulus[kept], session=session[kept])

    splits = session_splits(session, splits=3, seed=0)
    found = mean_split_half_reliability(decode, splits, method="spearman")
    assert abs(found.correlation[0]) < 0.2
    assert found.correlation[1] > 0.6


@pytest.mark.parametrize("method", METHODS)
def test_noise_ceiling_is_rsatoolboxs_also_for_some_stimuli(method: Method) -> None:
    rdms = draw_rdms(7, 1, 3, 45) + draw_rdms(8, 4, 3, 45)
    chosen = np.array([7, 1, 4, 5, 2, 9])
    found = noise_ceiling(rdms, method=method)
    found_of_chosen = noise_ceiling([rdm.select(one, chosen) for one in rdms], method=method)
    for time in range(3):
        toolbox = ToolboxRDMs(rdms[:, time])
        expected = boot_noise_ceiling(toolbox, method=TOOLBOX[method])
        assert (found.lower[time], found.upper[time]) == pytest.approx(expected, abs=1e-9)
        # the ceiling does not depend on the order of the stimuli, which rsatoolbox keeps
        expected = boot_noise_ceiling(toolbox.subset_pattern("index", np.sort(chosen)), method=TOOLBOX[method])
        assert (found_of_chosen.lower[time], found_of_chosen.upper[time]) == pytest.approx(expected, abs=1e-9)


def test_noise_ceiling_is_that_of_the_alignment_with_models() -> None:
    rdms = draw_rdms(9, 3, 4, 15)
    tables = {f"sub-{index}": RDMs(np.arange(4.0), one, tuple("abcdef")) for index, one in enumerate(rdms)}
    expected = alignment.noise_ceiling(tables, resamples=0, seed=0)
    bounds = [expected.mean(bound).value for bound in (alignment.LOWER, alignment.UPPER)]
    np.testing.assert_allclose(noise_ceiling(rdms, method="spearman"), bounds, atol=1e-12)


def test_noise_ceiling_holds_the_true_model() -> None:
    random = np.random.default_rng(10)
    geometry = random.normal(size=(1, 20_000))
    rdms = geometry + random.normal(size=(4, 1, 20_000))
    lower, upper = noise_ceiling(rdms, method="pearson")
    assert lower < rdm.pearson(geometry, rdms).mean() < upper


@pytest.mark.parametrize("method", METHODS)
def test_time_generalisation_of_one_half_is_the_matrix_of_all_times(method: Method) -> None:
    rdms = draw_rdms(11, BLOCK + 3, 45)
    expected = rdm.correlation_matrix(rdms if method == "pearson" else rdm.ranks(rdms))
    found = time_generalisation(rdms, method=method)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(time_generalisation(rdms, rdms, method=method), found, atol=1e-6)


def test_lasting_noise_generalises_within_a_half_and_not_across() -> None:
    random = np.random.default_rng(12)
    white = random.normal(size=(2, 9, 4000))
    lasting = (white[:, 1:] + white[:, :-1]) / np.sqrt(2)
    within = time_generalisation(lasting[0], method="pearson")
    across = time_generalisation(lasting[0], lasting[1], method="pearson")
    np.testing.assert_allclose(np.diag(within), 1, atol=1e-6)
    np.testing.assert_allclose(np.diag(within, 1), 0.5, atol=0.05)
    # 64 correlations of 4000 pairs with a standard error of 0.016 each
    np.testing.assert_allclose(across, 0, atol=0.07)


def test_a_geometry_that_comes_back_shows_across_halves() -> None:
    random = np.random.default_rng(13)
    early, late = random.normal(size=(2, 4000))
    geometry = np.stack([early, late, early])
    halves = geometry + random.normal(size=(2, 3, 4000))
    expected = np.array([[0.5, 0, 0.5], [0, 0.5, 0], [0.5, 0, 0.5]])
    np.testing.assert_allclose(time_generalisation(halves[0], halves[1], method="pearson"), expected, atol=0.07)


def test_memory_is_that_of_one_copy_and_a_block() -> None:
    first, second = draw_rdms(14, 2, 10 * BLOCK, 20_000).astype(np.float32)
    tracemalloc.start()
    time_generalisation(first, second, method="spearman")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    split_half_reliability(first, second, method="spearman")
    peak_of_halves = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * first.nbytes
    assert peak_of_halves < 0.2 * first.nbytes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: split_half_reliability(np.ones((2, 3)), np.ones((2, 6)), method="pearson"),
            r"\(2, 3\) and \(2, 6\)",
        ),
        (lambda: split_half_reliability(np.ones(3), np.ones(3), method="pearson"), "times, pairs"),
        (lambda: split_half_reliability(np.ones((2, 3)), np.ones((2, 3)), method="kendall"), "no 'kendall'"),
        (lambda: time_generalisation(np.ones((2, 3)), np.ones((3, 3)), method="pearson"), "same times and stimuli"),
        (lambda: noise_ceiling(np.ones((1, 2, 3)), method="pearson"), "two or more participants"),
        (lambda: noise_ceiling([np.ones((2, 3)), np.ones((1, 3))], method="pearson"), "same times and stimuli"),
        (lambda: session_splits(np.ones(4, dtype=int), splits=2, seed=0), "two or more sessions"),
        (lambda: session_splits(np.arange(4), splits=0, seed=0), "one or more"),
        (lambda: mean_split_half_reliability(np.zeros_like, [], method="pearson"), "splits is empty"),
    ],
)
def test_refuses(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
