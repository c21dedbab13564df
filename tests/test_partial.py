"""Partial correlation of RDMs: SciPy as oracle, by hand, what controls explain is gone, chance."""

import numpy as np
import pytest
from scipy.stats import binom, rankdata, spearmanr

from cliphba import rdm
from cliphba.evaluate import alignment, bootstrap, partial
from cliphba.evaluate.findings import Procedure
from tests.planted import PROCEDURE, STIMULI, TIMES, geometry, names, pictures, recording, series, static

AFTER = TIMES > 0


def expected(first, second, controls):
    """Partial Spearman correlation (pairs,) by regression of ranks on ranks of controls (pairs, controls)."""
    design = np.column_stack([np.ones(len(first)), *(rankdata(one) for one in controls)])
    left = [rankdata(one) - design @ np.linalg.lstsq(design, rankdata(one))[0] for one in (first, second)]
    return np.corrcoef(*left)[0, 1]


def simulate(seed, *, people=3, shared=1.0, own=1.0, noise=0.3):
    """A model, brains and two controls: what is shared is known to the controls, what is own to model and brains."""
    random = np.random.default_rng(seed)
    known, hidden = pictures(random), pictures(random)
    controls = {name: static(geometry(known[:, part])) for name, part in (("one", slice(3)), ("two", slice(3, 6)))}
    common = np.sum([one.values[0] for one in controls.values()], axis=0)
    brain = shared * rdm.standardise(common) + own * rdm.standardise(geometry(hidden))
    measured = {name: recording(random, 9 * brain, noise=noise) for name in names(people)}
    return series(np.hstack([known, own * hidden])), measured, controls


def test_values_are_those_of_regression():
    model, measured, controls = simulate(0)
    found = partial.measure({"model": model}, measured, controls, PROCEDURE).rho["model"].value
    for person, brain in enumerate(measured.values()):
        for time in np.flatnonzero(AFTER):
            given = [one.values[0] for one in controls.values()]
            assert found[person, time] == pytest.approx(expected(model.row(time), brain.row(time), given), abs=1e-6)
    assert np.isnan(found[:, ~AFTER]).all()


def test_resamples_are_those_of_repeated_stimuli():
    """Every pair as often as its two stimuli were drawn together, ranked and regressed anew."""
    model, measured, controls = simulate(1, people=1)
    found = partial.measure({"model": model}, measured, controls, Procedure("spearman", 4, 20, 3)).rho["model"]
    counts = bootstrap.draw(len(STIMULI), 4, seed=(3, 0)).astype(int)
    rows, columns = rdm.pair_indices(len(STIMULI))
    for drawn, resampled in zip(counts, found.resampled[:, 0, -1], strict=True):
        times = drawn[rows] * drawn[columns]
        values = [model.row(8), measured[names(1)[0]].row(8), *(one.values[0] for one in controls.values())]
        first, second, *given = (np.repeat(one, times) for one in values)
        assert resampled == pytest.approx(expected(first, second, given), abs=1e-6)


def test_one_control_by_hand():
    """(r - a b) / sqrt((1 - a^2) (1 - b^2)), with 0.5, 0.6 and 0.3."""
    found = partial.partial_correlation(np.array([[0.5]]), np.array([[0.6]]), np.array([[[0.3]]]), np.array([[1.0]]))
    assert found == pytest.approx((0.5 - 0.18) / np.sqrt(0.64 * 0.91))


def test_a_control_given_twice_counts_once():
    model, measured, controls = simulate(2)
    once = partial.measure({"model": model}, measured, controls, PROCEDURE).rho["model"]
    twice = partial.measure({"model": model}, measured, {**controls, "again": controls["one"]}, PROCEDURE).rho[
        "model"
    ]
    np.testing.assert_allclose(twice.value, once.value, atol=1e-7)
    np.testing.assert_allclose(twice.resampled, once.resampled, atol=1e-6)


@pytest.mark.parametrize("comparison", ["spearman", "pearson"])
def test_residuals_correlate_as_measured(comparison):
    """The two ways to a partial correlation, of which one has the intervals and one the p, give the same number."""
    model, measured, controls = simulate(3)
    procedure = Procedure(comparison, 2, 20, 0)
    found = partial.measure({"model": model}, measured, controls, procedure).rho["model"].value
    taken = list(controls.values())
    brain = partial.residual(next(iter(measured.values())), taken, comparison)
    left = rdm.pearson(partial.residual(model, taken, comparison).row(8), brain.row(8))
    assert left == pytest.approx(found[0, 8], abs=1e-6)
    for one in taken:
        assert rdm.unit(one.row(0), comparison) @ brain.row(8) == pytest.approx(0, abs=1e-6)


def test_what_controls_explain_is_gone_and_the_rest_is_found():
    model, measured, controls = simulate(4, own=0.0)
    direct = alignment.measure({"model": model}, measured, resamples=0, seed=0).rho["model"].value[:, AFTER]
    assert direct.mean() > 0.2
    for own, significant in ((0.0, False), (1.0, True)):
        model, measured, controls = simulate(4, own=own)
        rho = partial.measure({"model": model}, measured, controls, PROCEDURE).rho["model"].value
        found = partial.test(rho, model, measured, controls, PROCEDURE)
        assert (found.area_p <= 0.05) == significant


def test_nothing_is_found_where_there_is_only_what_controls_explain():
    p = []
    for seed in range(40):
        # neither model nor brain follows the controls in the same way
        random = np.random.default_rng(seed)
        known = pictures(random)
        controls = {"one": static(geometry(known))}
        brain = 3 * geometry(np.hstack([known, pictures(random)]))
        measured = {name: recording(random, brain, noise=0.5) for name in names(2)}
        model = series(np.hstack([known, pictures(random)]))
        rho = partial.measure({"model": model}, measured, controls, Procedure("spearman", 0, 60, 0)).rho["model"]
        p.append(partial.test(rho.value, model, measured, controls, Procedure("spearman", 0, 60, 0)).area_p)
    assert np.sum(np.array(p) <= 0.05) <= binom.ppf(0.9995, 40, 0.05)


def test_ties_are_ranked_as_elsewhere():
    model, measured, controls = simulate(5, people=1)
    coarse = {name: static(np.round(2 * one.values[0])) for name, one in controls.items()}
    found = partial.measure({"model": model}, measured, coarse, PROCEDURE).rho["model"].value[0, 8]
    given = [one.values[0] for one in coarse.values()]
    brain = next(iter(measured.values())).row(8)
    assert len(set(given[0])) < 8
    assert found == pytest.approx(expected(model.row(8), brain, given), abs=1e-6)
    assert found != pytest.approx(spearmanr(model.row(8), brain)[0])
