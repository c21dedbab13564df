"""Recovery of simulated gains and latencies: by hand, against scikit-learn, planted, and where there is none."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.linear_model import LinearRegression

from cliphba import rdm
from cliphba.evaluate import recovery
from cliphba.evaluate.bootstrap import Estimate
from cliphba.tables import RDMs

TIMES_MS = np.arange(-40.0, 401.0, 20.0)
STIMULI = tuple(f"picture-{index:02d}" for index in range(30))
FACTORS = [f"factor-{index}" for index in range(6)]
PEOPLE = [f"sub-{index:02d}" for index in range(1, 7)]


def squared_differences(features):
    rows, columns = rdm.pair_indices(len(features))
    return (features[rows] - features[columns]) ** 2


def bump(late_ms):
    return np.exp(-0.5 * ((TIMES_MS - late_ms) / 50) ** 2)


@pytest.fixture
def factors():
    values = np.random.default_rng(0).uniform(size=(len(STIMULI), len(FACTORS)))
    return pd.DataFrame(values, index=list(STIMULI), columns=FACTORS)


def draw_truth(*, gain_sd, latency_sd_ms):
    random = np.random.default_rng(1)
    index = pd.MultiIndex.from_product([PEOPLE, FACTORS], names=["participant", "factor"])
    latency_ms = np.tile(np.linspace(120, 220, len(FACTORS)), len(PEOPLE))
    columns = {
        "gain": np.exp(gain_sd * random.normal(size=len(index))),
        "latency_ms": latency_ms + latency_sd_ms * random.normal(size=len(index)),
    }
    # not in the order in which people and factors are given
    return pd.DataFrame(columns, index=index).reset_index().sample(frac=1, random_state=2)


def respond(truth, factors, *, noise=0.02):
    """RDMs of people whose responses to factors add up, each with a scale of its own."""
    random = np.random.default_rng(3)
    apart = squared_differences(factors.to_numpy()).T
    rdms = {}
    for scale, name in enumerate(PEOPLE, start=1):
        own = truth[truth["participant"] == name].set_index("factor").loc[FACTORS]
        strength = own["gain"].to_numpy()[:, None] * bump(own["latency_ms"].to_numpy()[:, None])
        values = scale * (0.5 + (strength**2).T @ apart + noise * random.normal(size=(len(TIMES_MS), apart.shape[1])))
        rdms[name] = RDMs(TIMES_MS, values.astype(np.float32), STIMULI)
    return rdms


def test_profile_by_hand():
    # squared differences of the three pairs are (1, 4, 1) and (0, 1, 1)
    features = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]])
    found = recovery.dimension_profile(np.array([7.0, 19.0, 10.0]), features, np.ones((1, 3)))
    np.testing.assert_allclose(found, [[3 * np.std([1, 4, 1]), 3 * np.std([0, 1, 1])]])


def test_profile_is_weighted_least_squares_as_in_scikit_learn():
    random = np.random.default_rng(4)
    features, counts = random.normal(size=(12, 3)), random.multinomial(12, np.full(12, 1 / 12), size=4).astype(float)
    rdms = random.normal(size=(2, 5, 66))
    found = recovery.dimension_profile(rdms, features, counts)
    assert found.shape == (4, 2, 5, 3)
    apart, (rows, columns) = squared_differences(features), rdm.pair_indices(12)
    for index, count in enumerate(counts):
        model = LinearRegression().fit(
            apart / apart.std(0), rdms.reshape(10, -1).T, sample_weight=count[rows] * count[columns]
        )
        np.testing.assert_allclose(found[index].reshape(10, 3), model.coef_, rtol=1e-6, atol=1e-9)


def test_profile_does_not_hang_on_the_size_of_blocks(monkeypatch):
    random = np.random.default_rng(5)
    arguments = (
        random.normal(size=(3, 28)),
        random.normal(size=(8, 2)),
        random.integers(0, 3, size=(7, 8)).astype(float),
    )
    at_once = recovery.dimension_profile(*arguments)
    monkeypatch.setattr(recovery, "BLOCK", 60)
    np.testing.assert_allclose(recovery.dimension_profile(*arguments), at_once)
    assert recovery.dimension_profile(*arguments[:2], np.empty((0, 8))).shape == (0, 3, 2)


def test_a_dimension_that_does_not_vary_has_no_weight():
    features = np.column_stack([np.arange(5.0), np.ones(5)])
    found = recovery.dimension_profile(squared_differences(features)[:, 0], features, np.ones((1, 5)))
    np.testing.assert_allclose(found[0, 1], 0, atol=1e-12)
    # a resample of two stimuli alone has one pair, with which nothing can be told
    few = recovery.dimension_profile(np.arange(10.0), features, np.array([[3.0, 2.0, 0, 0, 0]]))
    assert np.isfinite(few).all()


def test_undefined_rdms_are_refused():
    with pytest.raises(ValueError, match="defined values for 3 pairs"):
        recovery.dimension_profile(np.array([1.0, np.nan, 0.0]), np.ones((3, 1)), np.ones((1, 3)))


def test_shifts_are_found_within_a_fraction_of_a_sample():
    shifts_ms = np.array([[-12.0, 4.0], [0.0, 3.0], [12.0, -7.0]])
    gains = np.array([[1.0, 2.0], [0.5, 1.0], [3.0, 0.7]])
    courses = gains[:, None] * bump(200 + shifts_ms[..., None]).swapaxes(1, 2)
    # the mean course is that of people weighted by gain
    expected = shifts_ms - (gains * shifts_ms).sum(0) / gains.sum(0)
    np.testing.assert_allclose(recovery.latency_shifts(courses, TIMES_MS), expected, atol=1.5)


def test_shifts_are_bounded_and_flat_courses_have_none():
    courses = np.random.default_rng(6).normal(size=(2, 4, len(TIMES_MS), 3))
    courses[..., 2] = 0
    shifts = recovery.latency_shifts(courses, TIMES_MS)
    assert shifts.shape == (2, 4, 3)
    assert (np.abs(shifts) < TIMES_MS[-1] - TIMES_MS[0]).all()
    np.testing.assert_array_equal(shifts[..., 2], 0)


def test_centres_by_hand():
    times_ms = np.array([-10.0, 0.0, 10.0, 20.0, 30.0])
    courses = np.array([[9.0, 9.0, 1.0, 0.0, 1.0], [9.0, 0.0, 0.0, 1.0, 3.0], [0.0, 0.0, -1.0, 2.0, -5.0]]).T
    np.testing.assert_allclose(recovery.centres(courses, times_ms), [20, 27.5, 20])


def test_correlation_is_that_of_double_centred_values():
    random = np.random.default_rng(7)
    found, truth = random.normal(size=(2, 4, 5))
    centred = [one - one.mean(0) - one.mean(1, keepdims=True) + one.mean() for one in (found, truth)]
    expected = np.corrcoef(centred[0].ravel(), centred[1].ravel())[0, 1]
    shares = np.full(4, 0.25)
    assert recovery.correlate(found, truth, shares) == pytest.approx(expected)
    scaled = found + random.normal(size=(4, 1)) + random.normal(size=5)
    assert recovery.correlate(scaled, truth, shares) == pytest.approx(expected)
    # a participant who counts twice is as good as two who are alike, one who counts nothing as nobody
    twice = [one[[0, 0, 1, 3]] for one in (found, truth)]
    assert recovery.correlate(found, truth, np.array([0.5, 0.25, 0, 0.25])) == pytest.approx(
        recovery.correlate(*twice, shares)
    )


def test_gains_and_latencies_are_recovered(factors):
    truth = draw_truth(gain_sd=0.5, latency_sd_ms=15)
    people = respond(truth, factors)
    gains = recovery.gains(people, factors, truth, resamples=200, seed=0)
    latencies = recovery.latencies(people, factors, truth, resamples=200, seed=0)
    assert gains.estimate.value > 0.8
    assert latencies.people.estimate.value > 0.8
    assert latencies.factors.estimate.value > 0.9
    for found in (gains, *latencies):
        assert found.estimate.interval()[0] > 0.3
        assert found.p < 0.01


def test_models_undefined_before_onset_have_gains(factors):
    truth = draw_truth(gain_sd=0.5, latency_sd_ms=0)
    people = respond(truth, factors)
    for found in people.values():
        found.values[TIMES_MS <= 0] = np.nan
    assert recovery.gains(people, factors, truth, resamples=0, seed=0).estimate.value > 0.8


def test_no_differences_are_found_between_people_who_are_alike(factors):
    people = respond(draw_truth(gain_sd=0, latency_sd_ms=0), factors)
    others = draw_truth(gain_sd=0.5, latency_sd_ms=15)
    gains = recovery.gains(people, factors, others, resamples=200, seed=0)
    latencies = recovery.latencies(people, factors, others, resamples=200, seed=0)
    for found in (gains, latencies.people):
        low, high = found.estimate.interval()
        assert low <= 0 <= high
        assert found.p > 0.05
    # what they have in common is found all the same
    assert latencies.factors.p < 0.05


def test_where_nobody_differs_nothing_can_be_recovered(factors):
    truth = draw_truth(gain_sd=0, latency_sd_ms=0)
    people = respond(truth, factors)
    gains = recovery.gains(people, factors, truth, resamples=50, seed=0)
    shifts = recovery.latencies(people, factors, truth, resamples=50, seed=0).people
    for found in (gains, shifts):
        assert found.p == 1
        assert found.estimate.value == pytest.approx(0, abs=1e-12)
        np.testing.assert_allclose(found.estimate.resampled, 0, atol=1e-12)


def test_p_is_calibrated_where_there_is_nothing():
    random = np.random.default_rng(8)
    truth = random.normal(size=(6, 10))
    # people differ in all, dimensions in all, and one dimension is measured far worse than others
    noise = random.normal(size=(2000, 6, 10)) * np.array([1.0] * 9 + [5.0])
    found = noise + random.normal(size=(2000, 6, 1)) + 3 * random.normal(size=(2000, 1, 10))
    p = recovery.recovery_p(found, truth, seed=0)
    low, high = binom.interval(0.999, 2000, 0.05)
    assert low <= (p <= 0.05).sum() <= high
    assert recovery.recovery_p(truth + 0.5 * noise, truth, seed=0).mean() < 0.01


def test_a_truth_is_recovered_only_where_it_is_not_reversed():
    truth = np.random.default_rng(9).normal(size=(5, 4))
    assert recovery.recovery_p(truth, truth, seed=0) == pytest.approx(1 / 120)
    assert recovery.recovery_p(-truth, truth, seed=0) == 1


def test_three_people_have_no_p():
    truth = np.random.default_rng(10).normal(size=(3, 4))
    found = recovery.recover(Estimate(truth, np.repeat(truth[None], 20, axis=0)), truth, seed=0)
    assert np.isnan(found.p)
    assert found.estimate.value == pytest.approx(1)
    assert np.isfinite(found.estimate.resampled).all()


def test_one_person_is_refused():
    with pytest.raises(ValueError, match="one participant"):
        recovery.recover(Estimate(np.ones((1, 3)), np.ones((2, 1, 3))), np.ones((1, 3)), seed=0)


def test_what_does_not_fit_together_is_named(factors):
    truth = draw_truth(gain_sd=0.5, latency_sd_ms=0)
    people = respond(truth, factors)
    with pytest.raises(ValueError, match="picture-29 is missing"):
        recovery.weigh(people, factors.iloc[:-1], resamples=0, seed=0)
    with pytest.raises(ValueError, match="a participant or a factor is missing"):
        recovery.gains(people, factors, truth[truth["participant"] != "sub-04"], resamples=0, seed=0)
    with pytest.raises(ValueError, match="RDMs of sub-06 have other stimuli"):
        recovery.weigh(people | {"sub-06": people["sub-06"].of(STIMULI[::-1])}, factors, resamples=0, seed=0)
