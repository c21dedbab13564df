"""RDM arithmetic against hand-computed values, SciPy and rsatoolbox."""

import numpy as np
import pytest
import rsatoolbox
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr

from cliphba import rdm

EMBEDDING = np.random.default_rng(0).normal(size=(4, 6, 5))
TOOLBOX = {"spearman": "spearman", "pearson": "corr", "cosine": "cosine"}


def test_correlation_distance_by_hand():
    embedding = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 2.0, 1.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(rdm.correlation_distance(embedding), [0, 2, 1, 2, 1, 1], atol=1e-12)


def test_correlation_distance_is_scipys():
    expected = [pdist(one, "correlation") for one in EMBEDDING]
    np.testing.assert_allclose(rdm.correlation_distance(EMBEDDING), expected, atol=1e-12)


def test_a_constant_stimulus_is_at_distance_one_not_nan():
    embedding = EMBEDDING[0].copy()
    embedding[2] = 7
    square = rdm.to_square(rdm.correlation_distance(embedding))
    np.testing.assert_allclose(np.delete(square[2], 2), 1)


@pytest.mark.parametrize("function", [rdm.standardise, rdm.correlation_matrix, rdm.correlation_distance])
def test_torch_gives_what_numpy_gives(function):
    np.testing.assert_allclose(function(torch.from_numpy(EMBEDDING)).numpy(), function(EMBEDDING), atol=1e-14)


def test_pearson_is_numpys_and_leading_axes_broadcast():
    first, second = EMBEDDING[:, 0], EMBEDDING[0]
    expected = [[np.corrcoef(one, other)[0, 1] for other in second] for one in first]
    np.testing.assert_allclose(rdm.pearson(first[:, None], second[None]), expected, atol=1e-12)
    found = rdm.pearson(torch.from_numpy(first[:, None]), torch.from_numpy(second[None]))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_spearman_is_scipys_also_with_ties():
    random = np.random.default_rng(1)
    first, second = random.integers(4, size=(2, 3, 20)).astype(float)
    expected = [spearmanr(one, other).statistic for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(rdm.spearman(first, second), expected, atol=1e-12)


def test_spearman_of_an_undefined_rdm_is_undefined():
    assert np.isnan(rdm.spearman(np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, 3.0])))


@pytest.mark.parametrize("comparison", TOOLBOX)
def test_comparisons_are_rsatoolboxs_and_leading_axes_broadcast(comparison):
    first, second = np.random.default_rng(2).integers(1, 6, size=(2, 3, 15)).astype(np.float32)
    expected = rsatoolbox.rdm.compare(
        *(rsatoolbox.rdm.RDMs(values.astype(float)) for values in (first, second)), method=TOOLBOX[comparison]
    )
    found = rdm.compare(first[:, None], second, comparison)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    products = rdm.unit(first, comparison) @ rdm.unit(second, comparison).T
    np.testing.assert_allclose(products, expected, atol=1e-12)


def test_comparisons_by_hand():
    first, second = np.array([1.0, 2.0, 9.0]), np.array([0.0, 4.0, 3.0])
    assert rdm.compare(first, second, "spearman") == pytest.approx(0.5)
    assert rdm.compare(first, second, "pearson") == pytest.approx(7 / np.sqrt(38 * 26 / 3))
    assert rdm.compare(first, second, "cosine") == pytest.approx(35 / np.sqrt(86 * 25))


@pytest.mark.parametrize("comparison", TOOLBOX)
def test_what_does_not_vary_becomes_zero_and_what_is_undefined_stays_so(comparison):
    nothing = np.full((1, 6), 0.0 if comparison == "cosine" else 0.3, dtype=np.float32)
    assert rdm.compare(nothing, np.arange(6.0), comparison) == pytest.approx(0, abs=1e-9)
    assert np.isnan(rdm.unit(np.array([1, np.nan, 2], dtype=np.float32), comparison)).all()


@pytest.mark.parametrize("comparison", TOOLBOX)
def test_units_of_measurement_do_not_matter(comparison):
    """Squared distances between patterns in tesla are of the order of 1e-26."""
    first, second = np.random.default_rng(3).random((2, 10))
    expected = rdm.compare(first, second, comparison)
    assert rdm.compare(1e-26 * first, 1e12 * second, comparison) == pytest.approx(expected, abs=1e-12)


def test_an_unknown_comparison_is_refused():
    with pytest.raises(ValueError, match="no 'kendall'; use 'spearman', 'pearson' or 'cosine'"):
        rdm.unit(np.arange(3.0), "kendall")


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("spread", [5, 1e30])
def test_ranks_of_long_rows_are_scipys(kind, spread):
    if kind is np.int64:
        spread = min(spread, 1e6)
    values = (spread * np.random.default_rng(4).normal(size=(2, 2, 2 * rdm.LONG))).astype(kind)
    values[0, 1] = np.round(values[0, 1] / spread)
    np.testing.assert_array_equal(rdm.average_ranks(values), rankdata(values, axis=-1))
    # neither the order in memory nor the sign of zero makes a difference
    np.testing.assert_array_equal(rdm.average_ranks(-values[..., ::2]), rankdata(-values[..., ::2], axis=-1))


def test_ranks_of_a_long_row_bear_infinity_but_not_what_is_undefined():
    values = np.random.default_rng(5).normal(size=rdm.LONG)
    values[[3, 5]] = np.inf, -np.inf
    np.testing.assert_array_equal(rdm.average_ranks(values), rankdata(values))
    values[7] = np.nan
    assert np.isnan(rdm.average_ranks(values)).all()


def test_triangle_and_square_are_scipys_and_each_others_inverse():
    triangle = np.arange(1.0, 11.0)
    np.testing.assert_array_equal(rdm.to_square(triangle), squareform(triangle))
    np.testing.assert_array_equal(rdm.to_triangle(rdm.to_square(triangle)), triangle)


def test_select_takes_stimuli_in_the_order_given():
    triangle = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])  # pairs 01 02 03 12 13 23
    np.testing.assert_array_equal(rdm.select(triangle, np.array([3, 0, 2])), [[3, 6, 2]])


def test_places_are_those_of_the_square():
    chosen = np.random.default_rng(6).permutation(9)[:5]
    triangle = np.arange(36.0)
    rows, columns = rdm.pair_indices(5)
    expected = rdm.to_square(triangle)[chosen[rows], chosen[columns]]
    np.testing.assert_array_equal(rdm.places(chosen, stimuli=9), expected)
    np.testing.assert_array_equal(rdm.select(torch.from_numpy(triangle), chosen).numpy(), expected)


def test_time_generalisation_by_hand():
    course = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    np.testing.assert_allclose(rdm.correlation_matrix(course), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], atol=1e-12)


def test_a_number_that_is_no_triangle_is_refused():
    assert rdm.stimulus_count(1128) == 48
    assert rdm.pair_count(48) == 1128
    with pytest.raises(ValueError, match="7 values"):
        rdm.stimulus_count(7)
