"""RDM arithmetic against hand-computed values and SciPy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from cliphba import rdm

EMBEDDING = np.random.default_rng(0).normal(size=(4, 6, 5))


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


def test_triangle_and_square_are_scipys_and_each_others_inverse():
    triangle = np.arange(1.0, 11.0)
    np.testing.assert_array_equal(rdm.to_square(triangle), squareform(triangle))
    np.testing.assert_array_equal(rdm.to_triangle(rdm.to_square(triangle)), triangle)


def test_select_takes_stimuli_in_the_order_given():
    triangle = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])  # pairs 01 02 03 12 13 23
    np.testing.assert_array_equal(rdm.select(triangle, np.array([3, 0, 2])), [[3, 6, 2]])


def test_time_generalisation_by_hand():
    course = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    np.testing.assert_allclose(rdm.correlation_matrix(course), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], atol=1e-12)


def test_a_number_that_is_no_triangle_is_refused():
    assert rdm.stimulus_count(1128) == 48
    with pytest.raises(ValueError, match="7 values"):
        rdm.stimulus_count(7)
