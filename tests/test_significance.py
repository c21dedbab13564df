"""Tests over people and over images: oracles, what is planted found, and nothing where there is nothing."""

import itertools
from dataclasses import replace

import mne
import numpy as np
import pytest
from scipy import stats

from cliphba import rdm
from cliphba.evaluate import alignment, permutation, significance
from cliphba.evaluate.findings import LABELS, SIGNS, Procedure
from cliphba.evaluate.significance import Question
from tests.planted import PROCEDURE, RESPONSE, STIMULI, TIMES, geometry, pictures, recording, series, static

AFTER = TIMES > 0
PEARSON, COSINE = (Procedure(name, 0, PROCEDURE.permutations, PROCEDURE.seed) for name in ("pearson", "cosine"))


def noisy(random, *, noise=0.3, **shape):
    """Positions of the pictures, and three recordings of their geometry."""
    positions = pictures(random)
    return positions, [recording(random, geometry(positions), noise=noise, **shape) for _ in range(3)]


def relabelled(values, order):
    return rdm.to_triangle(rdm.to_square(values)[np.ix_(order, order)])


# over people


def test_over_people_is_scipy_and_mne():
    random = np.random.default_rng(0)
    curves = random.normal(size=(7, len(TIMES))) + 1.2 * np.isin(TIMES, [60, 80])
    curves[:, ~AFTER] = np.nan
    found = significance.over_people(curves, TIMES, seed=0)
    areas = np.trapezoid(curves[:, AFTER], RESPONSE)
    expected = stats.permutation_test((areas,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert found.area_p == pytest.approx(expected.pvalue)
    _, clusters, p, _ = mne.stats.permutation_cluster_1samp_test(
        curves[:, AFTER],
        threshold=stats.t.ppf(0.975, 6),
        n_permutations=1000,
        out_type="mask",
        verbose="error",
    )
    expected = np.ones(len(RESPONSE))
    for (mask,), own in zip(clusters, p, strict=True):
        expected[mask] = own
    np.testing.assert_allclose(found.time_p[AFTER], expected)
    assert np.isnan(found.time_p[~AFTER]).all()
    assert found.test == SIGNS


def test_over_people_needs_enough_of_them():
    curves = 1 + 0.1 * np.random.default_rng(15).random((significance.LEAST_PEOPLE, len(TIMES)))
    assert significance.over_people(curves, TIMES, seed=0).area_p <= permutation.ALPHA
    with pytest.raises(ValueError, match="5 people are too few to flip signs; permute stimulus labels"):
        significance.over_people(curves[1:], TIMES, seed=0)


def test_over_people_finds_nothing_where_there_is_nothing():
    curves = np.random.default_rng(1).normal(size=(150, 6, len(TIMES)))
    found = [significance.over_people(one, TIMES, seed=0) for one in curves]
    most = stats.binom.ppf(0.9995, 150, 0.05)
    assert sum(one.area_p <= 0.05 for one in found) <= most
    assert sum(np.nanmin(one.time_p) <= 0.05 for one in found) <= most


def test_over_people_says_nothing_about_other_images():
    """People share a geometry: by chance a model of nothing has to do with it, on these very pictures."""
    random = np.random.default_rng(16)
    people_p, images_p = [], []
    for _ in range(60):
        positions = pictures(random)
        measured = [recording(random, geometry(positions), noise=0.3) for _ in range(6)]
        model = static(geometry(pictures(random)))
        found = alignment.measure({"model": model}, dict(zip("abcdef", measured, strict=True)), resamples=0, seed=0)
        people_p.append(significance.over_people(found.rho["model"].value, TIMES, seed=0).area_p)
        images_p.append(significance.over_images([Question(model, measured)], PROCEDURE).area_p)
    assert np.mean(np.array(people_p) <= 0.05) > 0.2
    assert np.sum(np.array(images_p) <= 0.05) <= stats.binom.ppf(0.9995, 60, 0.05)


# both


def test_a_mean_is_tested_over_people_and_images_where_both_can_be():
    random = np.random.default_rng(17)
    positions = pictures(random)
    measured = [recording(random, geometry(positions), noise=1) for _ in range(6)]
    curves = np.array([[stats.spearmanr(geometry(positions), one.row(t))[0] for t in range(9)] for one in measured])
    question = Question(static(geometry(positions)), measured)
    found = significance.of_mean(curves, [question], PROCEDURE)
    people, images = significance.over_people(curves, TIMES, seed=1), significance.over_images([question], PROCEDURE)
    assert found.columns() == {"p": images.area_p, "test": LABELS, "p_people": people.area_p}
    np.testing.assert_array_equal(found.time_p, images.time_p)
    np.testing.assert_array_equal(found.people.time_p, people.time_p)
    assert significance.of_mean(curves, [question], replace(PROCEDURE, comparison="cosine")).people is None


def test_the_mean_of_few_people_is_tested_over_images():
    positions, measured = noisy(np.random.default_rng(18))
    question = Question(series(positions), measured)
    found = significance.of_mean(np.zeros((3, len(TIMES))), [question], PROCEDURE)
    images = significance.over_images([question], PROCEDURE)
    assert (found.area_p, found.test, found.people) == (images.area_p, LABELS, None)
    assert np.isnan(found.columns()["p_people"])


# over images: one model


@pytest.mark.parametrize(("comparison", "correlate"), [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)])
def test_over_images_is_a_plain_loop_over_labellings(comparison, correlate):
    random = np.random.default_rng(2)
    positions, measured = noisy(random, noise=3)
    model = series(positions + random.normal(size=positions.shape))
    procedure = Procedure(comparison, 0, 40, 3)
    found = significance.over_images([Question(model, measured)], procedure)

    def align(order, time):
        return np.mean([correlate(model.row(time), relabelled(one.row(time), order))[0] for one in measured])

    orders = permutation.labellings(len(STIMULI), 40, seed=3)
    coefficients = np.array([[align(order, time) for time in np.flatnonzero(AFTER)] for order in orders])
    areas, size = np.abs(np.trapezoid(coefficients, RESPONSE)), np.abs(coefficients)
    assert found.area_p == pytest.approx(np.mean(areas >= areas[0] - 1e-9))
    np.testing.assert_allclose(found.time_p[AFTER], (size.max(1)[:, None] >= size[0] - 1e-9).mean(0))
    assert np.isnan(found.time_p[~AFTER]).all()
    assert found.test == LABELS


@pytest.mark.parametrize("static_model", [True, False])
@pytest.mark.parametrize("people", [1, 3])
def test_over_images_finds_the_time(static_model, people):
    random = np.random.default_rng(3)
    positions, measured = noisy(random, shape=1.0 * np.isin(TIMES, [40, 60]))
    model = static(geometry(positions)) if static_model else series(positions)
    found = significance.over_images([Question(model, measured[:people])], PROCEDURE)
    np.testing.assert_array_equal(found.time_p[AFTER] <= 0.05, np.isin(RESPONSE, [40, 60]))
    assert found.area_p == pytest.approx(1 / PROCEDURE.permutations)


def test_no_model_is_asked_before_onset():
    positions, measured = noisy(np.random.default_rng(4))
    model = series(positions)
    assert np.isnan(model.values[~AFTER]).all()
    found = significance.over_images([Question(model, measured)], PROCEDURE)
    np.testing.assert_array_equal(np.isfinite(found.time_p), AFTER)


def test_several_questions_are_one_about_their_mean():
    random = np.random.default_rng(5)
    positions, measured = noisy(random, noise=3)
    model = series(positions)
    together = significance.over_images([Question(model, measured)], PROCEDURE)
    apart = significance.over_images([Question(model, [one]) for one in measured], PROCEDURE)
    assert together.area_p == pytest.approx(apart.area_p)
    np.testing.assert_allclose(together.time_p, apart.time_p)


def test_cosines_are_tested_as_correlations():
    positions, measured = noisy(np.random.default_rng(6), noise=2)
    questions = [Question(series(positions), measured), Question(static(geometry(positions)), measured)]
    for question in questions:
        cosine, pearson = (significance.over_images([question], one) for one in (COSINE, PEARSON))
        assert cosine.area_p == pearson.area_p
        np.testing.assert_array_equal(cosine.time_p, pearson.time_p)


def test_a_cosine_that_owes_all_to_the_mean_is_nothing():
    # every dissimilarity is near 1: all RDMs of such kind have a cosine near 1
    random = np.random.default_rng(7)
    values = [1 + 0.01 * random.normal(size=len(STIMULI) * (len(STIMULI) - 1) // 2) for _ in range(2)]
    model, measured = (static(one) for one in values)
    assert rdm.compare(*values, "cosine") > 0.99
    assert significance.of_static(Question(model, [measured]), COSINE) > 0.05


def test_two_samples_after_onset_are_needed_for_an_area():
    positions, measured = noisy(np.random.default_rng(8))
    early = measured[0].times_ms <= 20
    short = [type(one)(TIMES[early], one.values[early], STIMULI) for one in measured]
    with pytest.raises(ValueError, match="fewer than two samples after onset"):
        significance.over_images([Question(static(geometry(positions)), short)], PROCEDURE)


# over images: two models


def test_contrasts_by_one_stimulus_sums():
    random = np.random.default_rng(9)
    positions, measured = noisy(random, noise=1)
    better, worse = series(positions), series(positions + 1.5 * random.normal(size=positions.shape))
    found = significance.over_images([Question(better, measured, worse)], PROCEDURE)
    parts = []
    for time in np.flatnonzero(AFTER):
        first, second = rdm.ranks(better.row(time)), rdm.ranks(worse.row(time))
        people = np.mean([rdm.ranks(one.row(time)) for one in measured], axis=0)
        parts.append(permutation.relabel_contrast(first, second, people, **PROCEDURE.relabelling()))
    parts = np.stack(parts, axis=1)
    np.testing.assert_allclose(found.time_p[AFTER], permutation.corrected_p(permutation.studentise(parts)))
    whole = np.trapezoid(parts, RESPONSE, axis=1)
    assert found.area_p == pytest.approx(permutation.relabelled_p(permutation.studentise(whole)))


def test_the_better_model_is_found_on_either_side():
    random = np.random.default_rng(10)
    positions, measured = noisy(random)
    better, worse = series(positions), static(geometry(pictures(random)))
    for pair in [(better, worse), (worse, better)]:
        found = significance.over_images([Question(pair[0], measured, pair[1])], PROCEDURE)
        assert found.area_p <= 0.05
        assert (found.time_p[AFTER] <= 0.05).any()


def test_a_model_does_not_differ_from_itself():
    positions, measured = noisy(np.random.default_rng(11))
    found = significance.over_images([Question(series(positions), measured, series(positions))], PROCEDURE)
    assert found.area_p == 1
    np.testing.assert_allclose(found.time_p[AFTER], 1)


def test_p_of_nothing_are_uniform():
    """Shuffled pictures, for a model; for two models, both as good as each other."""
    random = np.random.default_rng(12)
    alone, against = [], []
    for _ in range(60):
        positions, measured = noisy(random, noise=1)
        alone.append(significance.over_images([Question(series(pictures(random)), measured)], PROCEDURE))
        equal = [series(positions + random.normal(size=positions.shape)) for _ in range(2)]
        against.append(significance.over_images([Question(equal[0], measured, equal[1])], PROCEDURE))
    for found in (alone, against):
        assert stats.kstest([one.area_p for one in found], "uniform").pvalue > 0.001
        assert sum(np.nanmin(one.time_p) <= 0.05 for one in found) <= stats.binom.ppf(0.9995, 60, 0.05)


def test_static_agreement_is_the_test_of_mantel():
    random = np.random.default_rng(13)
    # five pictures, as few as all 120 labellings can be made of
    model, human = (static(values).of(STIMULI[:5]) for values in random.normal(size=(2, 91)))
    chance = [
        stats.spearmanr(model.row(0), relabelled(human.row(0), order))[0]
        for order in map(list, itertools.permutations(range(5)))
    ]
    found = significance.of_static(Question(model, [human]), Procedure("spearman", 0, 120, 0))
    assert found == pytest.approx(np.mean(np.abs(chance) >= abs(chance[0]) - 1e-9))


def test_the_area_is_that_which_is_reported():
    random = np.random.default_rng(14)
    positions, measured = noisy(random, noise=1)
    model = series(positions)
    people = {f"sub-{index}": one for index, one in enumerate(measured)}
    found = alignment.measure({"model": model}, people, resamples=0, seed=0)
    response = np.flatnonzero(AFTER)
    weights = alignment.area_under_curve(np.eye(len(TIMES)), TIMES)[response]
    _, areas = significance._relabel([Question(model, measured)], response, weights, PROCEDURE)
    assert areas[0] == pytest.approx(found.area(found.rho["model"].value).mean())
