"""Latencies with intervals: by hand, as planted, against plain loops over resamples."""

import numpy as np
import pytest

from cliphba import rdm
from cliphba.evaluate import alignment, bootstrap, latencies
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import Independence
from tests.planted import RESPONSE, STIMULI, TIMES, accepted, geometry, names, pictures, recording

#                 up to onset     after onset
COURSE = np.array([0.0, 0.2, 0.1, 0.1, 3.0, 4.0, 2.0, 0.0, 0.0])


def estimate(curves):
    """Participants' curves (participants, times), all resamples as measured."""
    return Estimate(curves, np.repeat(curves[None], 20, axis=0))


def rows(courses, draws=None):
    people = names(len(courses.value))
    draws = np.ones((len(courses.resampled), len(people))) if draws is None else draws
    return latencies.table("curve", courses, TIMES, people, draws).set_index(["participant", "quantity"])


def test_decoding_is_the_mean_over_pairs_and_resamples_repeat_stimuli():
    random = np.random.default_rng(0)
    measured = [recording(random, geometry(pictures(random)), noise=1) for _ in range(2)]
    found = latencies.decoding(measured, resamples=5, seed=3)
    counts = bootstrap.draw(len(STIMULI), 5, seed=(3, 0)).astype(int)
    for person, one in enumerate(measured):
        np.testing.assert_allclose(found.value[person], one.values.mean(1), atol=1e-6)
        for resample, drawn in enumerate(counts):
            chosen = np.repeat(np.arange(len(STIMULI)), drawn)
            square = rdm.to_square(one.values[4].astype(float))[np.ix_(chosen, chosen)]
            # pairs of a stimulus with itself are none
            others = chosen[:, None] != chosen
            assert found.resampled[resample, person, 4] == pytest.approx(square[others].mean())


def test_decoding_has_the_resamples_of_alignments():
    random = np.random.default_rng(1)
    measured = {"sub-01": recording(random, geometry(pictures(random)), noise=1)}
    found = alignment.measure(measured, measured, resamples=7, seed=5)
    assert found.rho["sub-01"].resampled.shape[:2] == (7, 1)
    assert latencies.decoding(list(measured.values()), resamples=7, seed=5).resampled.shape == (7, 1, len(TIMES))


def test_onset_and_peak_by_hand():
    found = rows(estimate(np.stack([COURSE, np.roll(COURSE, 1)])))
    # the limit is 0.1 + 5 x 0.1 over the baseline, for two samples
    np.testing.assert_array_equal(found.loc["sub-02", ["value", "low", "high"]], [[40, 40, 40], [60, 60, 60]])
    assert found.loc[("sub-01", "peak"), "value"] == 80
    assert found.index.get_level_values("participant").isna().sum() == 2


def test_a_curve_without_baseline_has_a_peak_only():
    curves = np.where(TIMES > 0, COURSE, np.nan)[None]
    found = rows(estimate(np.repeat(curves, 3, axis=0)))
    assert set(found.index.get_level_values("quantity")) == {"peak"}
    assert (found["value"] == 60).all()


def test_a_curve_that_never_sets_in_has_no_onset():
    flat = 0.1 * np.random.default_rng(2).random((3, len(TIMES)))
    onsets = rows(estimate(flat)).query("quantity == 'onset'")
    assert onsets[["value", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(("never", "has_end"), [(1, True), (20, False)])
def test_resamples_that_never_set_in_are_infinitely_late(never, has_end):
    """One of 60 leaves the interval its end, a third of them does not."""
    resampled = np.repeat(COURSE[None, None], 60, axis=0)
    resampled[:never, :, TIMES > 0] = 0
    found = rows(Estimate(COURSE[None], resampled)).loc[("sub-01", "onset")]
    assert (found["value"], found["low"]) == (40, 40)
    assert np.isfinite(found["high"]) == has_end


def test_planted_latencies_lie_in_their_intervals():
    random = np.random.default_rng(3)
    shape = np.exp(-0.5 * ((TIMES - 80) / 20) ** 2) * (TIMES > 0)
    values = geometry(pictures(random))
    measured = [recording(random, values, noise=0.05, shape=shape) for _ in range(4)]
    decoded = latencies.decoding(measured, resamples=60, seed=0)
    found = rows(decoded, bootstrap.draw(4, 60, seed=(0, 1)))
    peaks = found.query("quantity == 'peak'")
    assert (peaks["value"] == 80).all()
    assert ((peaks["low"] <= 80) & (peaks["high"] >= 80)).all()
    onsets = found.query("quantity == 'onset'")
    assert onsets["value"].isin(RESPONSE[:2]).all()
    assert (onsets["low"] <= onsets["value"]).all()


def test_it_is_a_valid_table(tmp_path):
    frame = latencies.table("decoding", estimate(COURSE[None]), TIMES, ["sub-01"], np.ones((20, 1)))
    frame = frame.assign(**Independence(images=False, data=True, people=False).columns())
    found = accepted({"latency": frame}, tmp_path)["latency"]
    assert found["participant"].isna().tolist() == [True, True, False, False]
