"""RSA of participants: by hand, planted differences found, noise alone not mistaken for them."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, spearmanr

from cliphba import rdm
from cliphba.evaluate import alignment, second_order
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import Independence
from tests.planted import TIMES, accepted, geometry, names, pictures, recording


def halves(random, *, people=6, differ=0.0, noise=1.0):
    """Dissimilarities of people in two halves of their data, (pairs,) each."""
    gains = np.exp(differ * random.normal(size=(people, 1, 6)))
    positions = random.normal(size=(30, 6))
    values = rdm.standardise(geometry(positions * gains)) * np.sqrt(435)
    ranked = (rdm.ranks(values + noise * random.normal(size=values.shape)) for _ in range(2))
    return [1 - rdm.to_triangle(one @ one.T) for one in ranked]


def try_often(random, count, **given):
    spaces = [np.stack(one) for one in zip(*(halves(random, **given) for _ in range(count)), strict=True)]
    p = second_order.permutation_p(*spaces, permutations=200, seed=0)
    return p, second_order.agreement(*spaces)


def test_dissimilarity_is_after_onset():
    random = np.random.default_rng(0)
    people = {name: recording(random, geometry(pictures(random)), noise=1) for name in names(3)}
    found = second_order.dissimilarity(alignment.measure(people, people, resamples=4, seed=0))
    expected = [
        1 - np.mean([spearmanr(a.values[t], b.values[t])[0] for t in np.flatnonzero(TIMES > 0)])
        for a, b in itertools.combinations(people.values(), 2)
    ]
    np.testing.assert_allclose(found.value, expected)
    assert found.resampled.shape == (4, 3)


def test_what_people_have_in_common_is_taken_out():
    """One factor explains all of a matrix of products; what comes on top is left."""
    common = np.array([0.9, 0.8, 0.7, 0.95, 0.6, 0.5])
    rows, columns = rdm.pair_indices(6)
    products = common[rows] * common[columns]
    np.testing.assert_allclose(second_order.peculiar(1 - products), 0, atol=1e-9)
    alike = products + 0.05 * ((rows == 1) & (columns == 4))
    left = second_order.peculiar(1 - alike)
    assert (rows[left.argmin()], columns[left.argmin()]) == (1, 4)


def test_least_squares_are_reached():
    """No small change of a factor leaves less: sums of residuals, each times the other's factor, are zero."""
    space, _ = halves(np.random.default_rng(1), differ=0.5)
    left = second_order.peculiar(space)
    square, fitted = rdm.to_square(left), rdm.to_square(1 - space + left)
    # three people tell the factor of one of them
    others = [[each for each in range(6) if each != one][:2] for one in range(6)]
    factor = [np.sqrt(fitted[i, j] * fitted[i, k] / fitted[j, k]) for i, (j, k) in enumerate(others)]
    np.testing.assert_allclose(square @ factor, 0, atol=1e-9)


def test_leading_axes_are_those_of_single_spaces():
    random = np.random.default_rng(2)
    first, second = (np.stack(one) for one in zip(*(halves(random) for _ in range(3)), strict=True))
    together = second_order.agreement(first, second)
    np.testing.assert_allclose(together, [second_order.agreement(a, b) for a, b in zip(first, second, strict=True)])


def test_resamples_tell_the_spread_and_not_the_level():
    random = np.random.default_rng(2)
    first, second = (np.stack(one) for one in zip(*(halves(random) for _ in range(20)), strict=True))
    measured = [one.mean(0) for one in (first, second)]
    estimate = second_order.compare(Estimate(measured[0], first), Estimate(measured[1], second))
    assert estimate.value == second_order.agreement(*measured)
    scattered = np.arctanh(second_order.agreement(first, second))
    moved = np.arctanh(estimate.resampled)
    np.testing.assert_allclose(moved - moved.mean(), scattered - scattered.mean())
    assert np.tanh(moved.mean()) == pytest.approx(estimate.value)


def test_a_space_agrees_with_itself_and_p_is_the_least_there_is():
    space, _ = halves(np.random.default_rng(3), people=5, differ=1)
    assert second_order.agreement(space, space) == pytest.approx(1)
    assert second_order.permutation_p(space, space, permutations=120, seed=0) == pytest.approx(1 / 120)


def test_p_is_that_of_a_plain_loop():
    first, second = halves(np.random.default_rng(4), people=5)
    chance = [
        second_order.agreement(first, rdm.to_triangle(rdm.to_square(second)[np.ix_(order, order)]))
        for order in map(list, itertools.permutations(range(5)))
    ]
    expected = np.mean(np.abs(chance) >= np.abs(chance[0]) - 1e-9)
    assert second_order.permutation_p(first, second, permutations=120, seed=0) == pytest.approx(expected)


def test_planted_differences_are_found():
    p, rho = try_often(np.random.default_rng(5), 30, differ=0.5, noise=0.5)
    assert rho.mean() > 0.6
    assert np.mean(p <= 0.05) > 0.8


def test_nothing_is_found_where_there_is_nothing():
    p, rho = try_often(np.random.default_rng(6), 200)
    assert np.sum(p <= 0.05) <= binom.ppf(0.9995, 200, 0.05)
    assert rho.mean() == pytest.approx(0, abs=0.1)


def test_noise_of_people_is_not_taken_for_difference():
    """Some people's data are five times as noisy as others'; beyond that people are the same."""
    noise = np.array([0.4, 0.6, 0.8, 1.2, 1.6, 2.0])[:, None]
    p, rho = try_often(np.random.default_rng(7), 200, noise=noise)
    assert rho.mean() == pytest.approx(0, abs=0.1)
    assert np.sum(p <= 0.05) <= binom.ppf(0.9995, 200, 0.1)


def test_too_few_participants_are_refused_and_the_alternative_is_named():
    for test in (second_order.agreement, lambda *s: second_order.permutation_p(*s, permutations=20, seed=0)):
        with pytest.raises(ValueError, match=r"needs 5 or more participants, not 4: .* by the margins"):
            test(np.arange(6.0), np.arange(6.0))


def test_table_is_valid(tmp_path):
    space = np.array([0.1, 0.2, 0.3])
    people = ("sub-02", "sub-01", "sub-03")
    spaces = {"MEG": space, "models": 2 * space}
    frame = pd.concat([second_order.table(name, one, people) for name, one in spaces.items()])
    frame = frame.assign(**Independence(images=True, data=True, people=False).columns())
    found = accepted({"second_order": frame}, tmp_path)["second_order"].set_index(["space", "first", "second"])
    assert found.loc[("models", "sub-02", "sub-03"), "dissimilarity"] == 0.4
    assert len(found) == 6
