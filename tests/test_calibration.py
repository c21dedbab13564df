"""Tests of significance find nothing where there is nothing, and a wrong test would be noticed."""

import numpy as np
import pytest
from scipy import stats

from cliphba import rdm
from cliphba.evaluate import permutation
from tests.benchmarks import calibration

CHEAP = [
    calibration.signs_of_people,
    calibration.labels_of_images,
    calibration.two_models(1, "equally aligned"),
    calibration.assignment_of_people,
    calibration.recovered_gains,
]


def test_nothing_is_found_where_there_is_nothing():
    found = calibration.calibrate(CHEAP, lambda _: 1000)
    assert set(found["data_sets"].values()) == {1000}
    wrong = {name: (found["shares"][name], found["bounds"][name]) for name in found["tests"]}
    assert found["within_bounds"], wrong


def pairs_as_independent(random, data_sets):
    """SciPy's p of Spearman's rho, which knows nothing of stimuli."""
    model, measured = (calibration.units(calibration.scatter(random, data_sets)) for _ in range(2))
    p = [stats.spearmanr(*both).pvalue for both in zip(model, measured, strict=True)]
    return {"wrong": calibration.Outcome(np.array(p))}


def stimuli_of_the_difference_alone(random, data_sets):
    """Two models, equally aligned, compared by relabelling what they do not share, without its standard error."""
    truth = 2 * calibration.scatter(random, data_sets, 1)
    models = (calibration.units(truth, calibration.scatter(random, data_sets, 1)) for _ in range(2))
    measured = calibration.units(truth, calibration.scatter(random, data_sets, 1))
    null = permutation.relabel_contrast(*models, measured, permutations=calibration.PERMUTATIONS, seed=0)
    return {"wrong": calibration.relabelled(null.sum(-1)[..., 0])}


def samples_as_people(random, data_sets):
    """Signs of times that hang together, flipped as if they were people."""
    curves = random.normal(size=(data_sets, 1)) + random.normal(size=(data_sets, 8))
    return {"wrong": calibration.Outcome(permutation.sign_flip_p(curves, seed=0))}


@pytest.mark.parametrize("wrong", [pairs_as_independent, stimuli_of_the_difference_alone, samples_as_people])
def test_a_wrong_test_is_noticed(wrong):
    found = calibration.calibrate([wrong], lambda _: 1000)
    assert found["shares"]["wrong"] > found["bounds"]["wrong"][1]
    assert not found["within_bounds"]


def test_attainable_level_by_hand():
    # 40 labellings with different statistics: 2 of them are among the greatest twentieth
    assert calibration.attained(np.arange(40.0)[:, None]) == pytest.approx(2 / 40)
    # if three tie for the greatest, none is
    assert calibration.attained(np.minimum(np.arange(40.0), 37)[:, None]) == 0


def test_distances_are_those_of_scipy():
    positions = calibration.scatter(np.random.default_rng(0))
    distances = stats.rankdata([((one - two) ** 2).sum() for one, two in pairs(positions)])
    np.testing.assert_allclose(calibration.units(positions), rdm.standardise(distances))


def pairs(positions):
    rows, columns = rdm.pair_indices(len(positions))
    return zip(positions[rows], positions[columns], strict=True)
