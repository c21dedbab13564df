"""Permutation tests: by hand, against SciPy, MNE, rsatoolbox and plain loops, and refusals."""

import itertools
import math

import mne
import numpy as np
import pytest
from scipy import stats

from cliphba import rdm
from cliphba.evaluate import permutation

SIX = np.array([3.0, 1.0, 2.0, 2.5, 0.5, 1.5])


def units(seed, *shape, stimuli=8):
    pairs = stimuli * (stimuli - 1) // 2
    return rdm.ranks(np.random.default_rng(seed).normal(size=(*shape, pairs)))


def plain_relabelling(first, second, order):
    """Correlation of two square matrices after their items are put in another order in one of them."""
    first, second = rdm.to_square(first), rdm.to_square(second)
    relabelled = second[np.ix_(order, order)]
    return sum(first[i, j] * relabelled[i, j] for i in range(len(order)) for j in range(i + 1, len(order)))


# signs of participants


def test_sign_flips_by_hand():
    # all six on one side: of 64 flips only the true one and its mirror image go so far
    assert permutation.sign_flip_p(SIX, seed=0) == pytest.approx(2 / 64)
    # one small value on the other side: leaving all signs, making all alike, and both mirror images
    assert permutation.sign_flip_p(SIX * [1, 1, 1, 1, -1, 1], seed=0) == pytest.approx(4 / 64)
    assert permutation.sign_flip_p(np.zeros(6), seed=0) == 1


def test_sign_flips_are_those_of_scipy():
    values = np.random.default_rng(0).normal(0.5, 1, size=(4, 3, 8))
    expected = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", axis=-1, n_resamples=np.inf, vectorized=True
    )
    np.testing.assert_allclose(permutation.sign_flip_p(values, seed=0), expected.pvalue)


def test_random_sign_flips_are_nearly_all_sign_flips(monkeypatch):
    values = np.random.default_rng(1).normal(0.5, 1, size=(5, 12))
    exact = permutation.sign_flip_p(values, seed=0)
    monkeypatch.setattr(permutation, "SIGN_FLIPS", 4000)
    found = permutation.sign_flip_p(values, seed=0)
    np.testing.assert_allclose(found, exact, atol=0.03)
    assert (found == permutation.sign_flip_p(values, seed=0)).all()
    assert (found != permutation.sign_flip_p(values, seed=1)).any()


def test_random_sign_flips_never_give_zero():
    assert permutation.sign_flip_p(np.ones(30), seed=0) == pytest.approx(1 / permutation.SIGN_FLIPS)


def test_clusters_by_hand():
    # all six above zero at two times, below at one; at the others signs alternate, in no order that flips could share
    curves = np.array([SIX, SIX, SIX, SIX, -SIX, SIX]).T * 1.0
    curves[::2, 0], curves[1::2, 3], curves[:3, 5] = -SIX[::2], -SIX[1::2], -SIX[:3]
    found = permutation.sign_flip_clusters(curves, seed=0)
    np.testing.assert_array_equal(found.label != 0, [False, True, True, False, True, False])
    assert found.label[1] == found.label[2] != found.label[4]
    assert found.p[1] == found.p[2] == pytest.approx(2 / 64)
    np.testing.assert_array_equal(found.p[[0, 3, 5]], 1)


def test_clusters_are_those_of_mne():
    random = np.random.default_rng(2)
    curves = random.normal(size=(7, 20)) + 1.5 * np.isin(np.arange(20), [4, 5, 6, 14, 15])
    threshold = stats.t.ppf(0.975, 6)
    # not "all", which leaves one sign flip out
    _, clusters, p, null = mne.stats.permutation_cluster_1samp_test(
        curves, threshold=threshold, n_permutations=1000, out_type="mask", verbose="error"
    )
    assert len(null) == 2**6
    found = permutation.sign_flip_clusters(curves, seed=0)
    assert found.label.max() == len(clusters)
    for (mask,), own in zip(clusters, p, strict=True):
        members = np.arange(20)[mask]
        assert len(set(found.label[members])) == 1
        np.testing.assert_allclose(found.p[members], own)
    np.testing.assert_array_equal(found.p[found.label == 0], 1)


def test_undefined_curves_are_refused():
    with pytest.raises(ValueError, match="give the times after onset only"):
        permutation.sign_flip_clusters(np.full((6, 3), np.nan), seed=0)


@pytest.mark.parametrize("test", [permutation.sign_flip_p, permutation.sign_flip_clusters])
def test_signs_of_too_few_people_are_refused_and_the_alternative_is_named(test):
    with pytest.raises(ValueError, match=r"0\.062.*permute stimulus labels \(`relabel`\)"):
        test(np.ones((5, 5)), seed=0)


# labels of stimuli


def test_all_labellings_where_they_are_few():
    found = permutation.labellings(4, 24, seed=0)
    assert [tuple(order) for order in found] == list(itertools.permutations(range(4)))


def test_random_labellings_are_seeded_and_start_with_the_true_one():
    found = permutation.labellings(9, 50, seed=3)
    assert found.shape == (50, 9)
    np.testing.assert_array_equal(found[0], np.arange(9))
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(9), (50, 1)))
    np.testing.assert_array_equal(found, permutation.labellings(9, 50, seed=3))
    assert (found != permutation.labellings(9, 50, seed=4)).any()


def test_relabelling_by_hand():
    # four stimuli; the measured RDM sets apart one pair, the predicted one the same: 4 of 24 labellings keep it,
    # and the 4 that move it onto the opposite pair do so in neither
    apart = rdm.standardise(np.array([1.0, 0, 0, 0, 0, 0]))
    null = permutation.relabel(apart, apart, permutations=24, seed=0)
    assert null.shape == (24,)
    assert null[0] == pytest.approx(1)
    assert permutation.relabelled_p(null) == pytest.approx(4 / 24)
    assert (null > 0.99).sum() == 4


def test_relabelling_is_that_of_a_plain_loop():
    predicted, measured = units(0), units(1)
    null = permutation.relabel(predicted, measured, permutations=60, seed=5)
    orders = permutation.labellings(8, 60, seed=5)
    expected = np.array([plain_relabelling(predicted, measured, order) for order in orders])
    np.testing.assert_allclose(null, expected, atol=1e-12)
    assert null[0] == pytest.approx((predicted * measured).sum())
    assert permutation.relabelled_p(null) == np.mean(np.abs(expected) >= abs(expected[0]) - 1e-9)


def test_all_relabellings_are_the_exact_test_of_scipy():
    # SciPy permutes places of one sample: with five stimuli as places, its statistic can relabel the RDM
    predicted, measured = units(2, stimuli=5), units(3, stimuli=5)

    def statistic(order):
        return plain_relabelling(predicted, measured, order.astype(int))

    expected = stats.permutation_test(
        (np.arange(5),), statistic, permutation_type="pairings", n_resamples=np.inf, vectorized=False
    )
    null = permutation.relabel(predicted, measured, permutations=math.factorial(5), seed=0)
    np.testing.assert_allclose(np.sort(null), np.sort(expected.null_distribution), atol=1e-12)


def test_true_labels_give_the_correlation_of_rsatoolbox():
    toolbox = pytest.importorskip("rsatoolbox")
    first, second = np.random.default_rng(4).random((2, 28))
    predicted, measured = (toolbox.rdm.RDMs(one[None], dissimilarity_measure="any") for one in (first, second))
    expected = toolbox.rdm.compare(predicted, measured, method="spearman")[0, 0]
    null = permutation.relabel(rdm.ranks(first), rdm.ranks(second), permutations=20, seed=0)
    assert null[0] == pytest.approx(expected)


def test_leading_axes_and_times_broadcast():
    models, people = units(5, 3, 1, 4), units(6, 2, 4)
    together = permutation.relabel(models, people, permutations=30, seed=1)
    assert together.shape == (30, 3, 2, 4)
    one = permutation.relabel(models[2, 0], people[1], permutations=30, seed=1)
    np.testing.assert_allclose(together[:, 2, 1], one)
    static = permutation.relabel(models[2, 0, :1], people[1], permutations=30, seed=1)
    assert static.shape == (30, 4)
    np.testing.assert_allclose(static[:, 0], one[:, 0])
    still = permutation.relabel(models[:, 0], people[1, :1], permutations=30, seed=1)
    np.testing.assert_allclose(still[:, 2, 0], together[:, 2, 1, 0])


def test_the_mean_over_few_people_is_the_mean_of_their_vectors():
    model, people = units(7, 4), units(8, 3, 4)
    each = permutation.relabel(model, people, permutations=30, seed=2)
    mean = permutation.relabel(model, people.mean(0), permutations=30, seed=2)
    np.testing.assert_allclose(each.mean(1), mean, atol=1e-12)


def test_undefined_predictions_are_undefined_and_do_not_spoil_others():
    models = units(9, 2, 3)
    models[0, 0] = np.nan
    null = permutation.relabel(models, units(10, 3), permutations=40, seed=0)
    for p in (permutation.relabelled_p(null), permutation.corrected_p(null)):
        np.testing.assert_array_equal(np.isnan(p), [[True, False, False], [False, False, False]])


def test_what_can_never_reach_the_level_is_refused():
    with pytest.raises(ValueError, match=r"no p below 0\.17.*take 4 or more"):
        permutation.relabel(units(0, stimuli=3), units(1, stimuli=3), permutations=100, seed=0)
    with pytest.raises(ValueError, match="19 permutations are too few; take 20 or more"):
        permutation.relabel(units(0), units(1), permutations=19, seed=0)


# two models


def test_contributions_add_up_to_twice_the_difference_of_correlations():
    first, second, measured = units(11, 3), units(12, 1), units(13, 2, 3)
    found = permutation.relabel_contrast(first, second, measured, permutations=20, seed=0)
    assert found.shape == (20, 2, 3, 8)
    np.testing.assert_allclose(found[0].sum(-1) / 2, ((first - second) * measured).sum(-1), atol=1e-12)


def test_contributions_are_those_of_a_plain_loop():
    first, second, measured = units(17), units(18), units(19)
    common = first + second
    left = measured - common * (common @ measured) / (common @ common)
    found = permutation.relabel_contrast(first, second, measured, permutations=30, seed=4)
    difference, left = rdm.to_square(first - second), rdm.to_square(left)
    for order, row in zip(permutation.labellings(8, 30, seed=4), found, strict=True):
        np.testing.assert_allclose(row, (difference * left[np.ix_(order, order)]).sum(1), atol=1e-12)


def test_what_models_have_in_common_is_not_relabelled():
    # relabelling only what is left, the common part has no share in any difference
    first, second = units(20), units(21)
    null = permutation.relabel_contrast(first, second, first + second, permutations=30, seed=0)
    np.testing.assert_allclose(null, 0, atol=1e-12)


def test_studentised_by_hand():
    assert permutation.studentise(np.array([3.0, 4.0])) == pytest.approx(7 / 5)
    assert permutation.studentise(np.zeros(3)) == 0


def test_models_that_are_the_same_do_not_differ():
    null = permutation.relabel_contrast(units(14), units(14), units(15), permutations=20, seed=0)
    assert permutation.relabelled_p(permutation.studentise(null)) == 1


# p


def test_p_by_hand():
    null = np.array([[2.0, -1.0, 0.0], [1.0, 1.5, 0.0], [-3.0, 0.5, 0.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(permutation.relabelled_p(null), [2 / 4, 3 / 4, 1])
    # largest of each labelling: 2, 1.5, 3, 1
    np.testing.assert_allclose(permutation.corrected_p(null), [2 / 4, 1, 1])


def test_values_equal_but_for_rounding_are_ties():
    null = np.array([0.3, 0.1 + 0.2, -0.3 + 1e-16, 0.0])
    assert permutation.relabelled_p(null) == 3 / 4


def test_correction_over_one_time_is_none():
    null = np.random.default_rng(16).normal(size=(50, 3, 1))
    np.testing.assert_allclose(permutation.corrected_p(null), permutation.relabelled_p(null))
