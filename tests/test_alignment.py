"""Alignment over time, its noise ceiling and its bootstrap, against SciPy, rsatoolbox and explicit resampling."""

import numpy as np
import pytest
from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
from rsatoolbox.rdm import RDMs as ToolboxRDMs
from scipy.stats import spearmanr

from cliphba import rdm, tables
from cliphba.evaluate import alignment, bootstrap
from cliphba.evaluate.bootstrap import Estimate

TIMES = np.array([-20.0, 0.0, 20.0, 40.0, 60.0])
STATIC = np.array([np.nan])
STIMULI = 9
PAIRS = STIMULI * (STIMULI - 1) // 2


def make_rdms(values, times=TIMES):
    stimuli = rdm.stimulus_count(values.shape[-1])
    return tables.RDMs(times, values.astype(np.float32), tuple(f"image-{index}" for index in range(stimuli)))


@pytest.fixture
def values():
    """(4 participants, times, pairs) of accuracies, with ties, as decoding gives them."""
    random = np.random.default_rng(1)
    shared = random.normal(size=(1, len(TIMES), PAIRS))
    return np.round(shared + random.normal(size=(4, len(TIMES), PAIRS)), 1)


@pytest.fixture
def targets(values):
    return {f"sub-{index + 1:02d}": make_rdms(one) for index, one in enumerate(values)}


@pytest.fixture
def models():
    random = np.random.default_rng(2)
    group = random.normal(size=(len(TIMES), PAIRS))
    group[TIMES <= 0] = np.nan
    return {"clip": make_rdms(random.normal(size=(1, PAIRS)), STATIC), "group": make_rdms(group)}


def test_align_by_hand():
    targets = np.array([[[0.1, 0.3, 0.2], [0.3, 0.2, 0.1]]])
    assert alignment.align(np.array([[1.0, 2.0, 3.0]]), targets) == pytest.approx(np.array([[0.5, -1.0]]))


def test_align_is_scipys_spearman(values):
    model = np.random.default_rng(3).normal(size=(len(TIMES), PAIRS)).round(1)
    expected = [[spearmanr(model[time], one[time]).statistic for time in range(len(TIMES))] for one in values]
    np.testing.assert_allclose(alignment.align(model, values), expected, atol=1e-12)


def test_align_is_undefined_where_the_model_is(values):
    model = np.random.default_rng(3).normal(size=(len(TIMES), PAIRS))
    model[:2] = np.nan
    rho = alignment.align(model, values)
    assert np.isnan(rho[:, :2]).all()
    assert np.isfinite(rho[:, 2:]).all()


def test_area_by_hand_takes_only_samples_after_onset():
    rho = np.array([[9.0, 9.0, 0.1, 0.3, 0.1], [np.nan, np.nan, 0.0, 0.0, 0.2]])
    assert alignment.area_under_curve(rho, TIMES) == pytest.approx([8.0, 2.0])


def test_area_needs_two_samples():
    with pytest.raises(ValueError, match="times_ms"):
        alignment.area_under_curve(np.zeros(3), np.array([-10.0, 0.0, 10.0]))


def test_noise_ceiling_is_rsatoolboxs(values, targets):
    found = alignment.noise_ceiling(targets, resamples=2, seed=0)
    table = alignment.ceiling(found)
    for time, row in enumerate(table.itertuples()):
        lower, upper = boot_noise_ceiling(ToolboxRDMs(values[:, time]), method="spearman")
        assert (row.lower, row.upper) == pytest.approx((lower, upper), abs=1e-6)


def test_noise_ceiling_needs_two_participants(targets):
    with pytest.raises(ValueError, match="two or more participants"):
        alignment.noise_ceiling({"sub-01": targets["sub-01"]}, resamples=2, seed=0)


def test_no_model_rises_above_the_upper_ceiling(values, targets):
    upper = alignment.ceiling(alignment.noise_ceiling(targets, resamples=2, seed=0))["upper"].to_numpy()
    candidates = [values.mean(0), values[0], np.median(values, axis=0)]
    # the mean of ranks is the best for Spearman without ties; with ties it is the best but for a hair
    assert all((alignment.align(model, values).mean(0) <= upper + 0.002).all() for model in candidates)


def test_resample_is_that_of_explicit_resampling(values):
    random = np.random.default_rng(4)
    model = random.normal(size=(len(TIMES), PAIRS)).round(1)
    drawn = np.sort(random.integers(STIMULI, size=STIMULI))
    counts = np.bincount(drawn, minlength=STIMULI).astype(float)
    found = bootstrap.spearman([model], values, bootstrap.pair_weights(counts[None]), label="test")[0, 0]
    rows, columns = rdm.pair_indices(STIMULI)
    different = drawn[rows] != drawn[columns]

    def resample(triangle):
        return rdm.to_square(triangle)[drawn[rows], drawn[columns]][different]

    for participant, one in enumerate(values):
        for time in range(len(TIMES)):
            expected = spearmanr(resample(model[time]), resample(one[time])).statistic
            assert found[participant, time] == pytest.approx(expected, abs=1e-12)


def test_every_stimulus_once_is_the_measurement(values):
    static = np.random.default_rng(5).normal(size=(1, PAIRS))
    found = bootstrap.spearman([static, values[0]], values, np.ones((1, PAIRS)), label="test")
    np.testing.assert_allclose(found[0, 0], alignment.align(static, values), atol=1e-12)
    np.testing.assert_allclose(found[0, 1], alignment.align(values[0], values), atol=1e-12)


def test_size_of_blocks_does_not_matter(values, monkeypatch):
    weights = bootstrap.pair_weights(bootstrap.draw(STIMULI, 20, seed=(1, 0)))
    first = bootstrap.spearman([values[0]], values, weights, label="test")
    monkeypatch.setattr(bootstrap, "BLOCK", 1)
    np.testing.assert_allclose(bootstrap.spearman([values[0]], values, weights, label="test"), first, atol=1e-12)


def test_mean_over_drawn_participants_by_hand():
    estimate = Estimate(np.array([0.1, 0.5]), np.array([[0.1, 0.5], [0.2, 0.4]]))
    mean = estimate.mean_over_participants(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert mean.value == pytest.approx(0.3)
    assert mean.resampled == pytest.approx([0.1, 0.3])


def test_noise_that_both_bootstraps_count_is_counted_once():
    """Variances 4 (participants), 1 (stimuli), 9 (both): 2 (4 + 1) - 9 = 1 is raised to 4, the larger single one."""
    value = np.array([-4.0, 4.0])
    draws = np.array([[1.5, 0.5], [1.5, 0.5], [0.5, 1.5], [0.5, 1.5]])  # means -2, -2, 2, 2
    # under its draws the joint means are -3, -3, 3, 3; with equal weights 1, -1, 1, -1
    resampled = np.array([[-7.0, 9.0], [-5.0, 3.0], [-3.0, 5.0], [-9.0, 7.0]])
    mean = Estimate(value, resampled).mean_over_participants(draws)
    assert mean.resampled == pytest.approx([-2, -2, 2, 2])


def test_interval_by_hand():
    low, high = Estimate(np.array(0.5), np.arange(101) / 100).interval(0.9)
    assert (low, high) == pytest.approx((0.05, 0.95))


def test_same_seed_same_bytes_and_models_are_paired(models, targets):
    first = alignment.measure(models | {"twin": models["clip"]}, targets, resamples=20, seed=7)
    again = alignment.measure(models | {"twin": models["clip"]}, targets, resamples=20, seed=7)
    assert first.mean("clip").resampled.tobytes() == again.mean("clip").resampled.tobytes()
    np.testing.assert_allclose((first.mean("clip") - first.mean("twin")).resampled, 0, atol=1e-12)


def test_resamples_depend_on_the_seed_and_not_on_the_models(models, targets):
    first, alone, other = (
        alignment.measure(chosen, targets, resamples=20, seed=seed).mean("clip").resampled
        for chosen, seed in [(models, 7), ({"clip": models["clip"]}, 7), (models, 8)]
    )
    np.testing.assert_allclose(alone, first, atol=1e-12)
    assert not np.allclose(other, first)


def test_curves_are_a_valid_table_with_gaps_before_onset(models, targets, tmp_path):
    curves = alignment.curves(alignment.measure(models, targets, resamples=30, seed=0))
    tables.write(curves, tmp_path / "alignment.parquet", "alignment")
    found = tables.read(tmp_path / "alignment.parquet", "alignment")
    assert len(found) == 2 * (1 + len(targets)) * len(TIMES)
    mean = found[found["participant"].isna()].set_index(["model", "time_ms"])
    assert mean.loc["clip"].notna()["rho"].all()
    assert mean.loc["group"]["rho"].isna().tolist() == (TIMES <= 0).tolist()
    each = found[found["participant"].notna() & (found["model"] == "clip")]
    np.testing.assert_allclose(each.groupby("time_ms")["rho"].mean(), mean.loc["clip"]["rho"], atol=1e-12)
    covered = found.dropna(subset="rho")
    assert (covered["low"] <= covered["high"]).all()


def test_ceiling_is_a_valid_table(targets, tmp_path):
    tables.write(alignment.ceiling(alignment.noise_ceiling(targets, resamples=2, seed=0)), tmp_path / "c", "ceiling")
    assert (tables.read(tmp_path / "c", "ceiling").eval("lower < upper")).all()


def test_interval_of_nothing_covers_zero():
    """A model that knows nothing: the 95 % interval of its alignment misses zero in few of 100 studies."""
    random = np.random.default_rng(9)
    covered = 0
    for study in range(100):
        noise = {f"sub-{index}": make_rdms(random.normal(size=(1, 190)), STATIC) for index in range(4)}
        model = {"clip": make_rdms(random.normal(size=(1, 190)), STATIC)}
        low, high = alignment.measure(model, noise, resamples=200, seed=study).mean("clip").interval()
        covered += bool(low[0] <= 0 <= high[0])
    assert covered >= 89  # the 0.5 % quantile of binomial(100, 0.95)


def test_other_stimuli_are_refused(models, targets):
    shuffled = models["clip"].of(models["clip"].stimuli[::-1])
    with pytest.raises(ValueError, match="clip have other stimuli"):
        alignment.measure({"clip": shuffled}, targets, resamples=2, seed=0)


def test_other_times_are_refused(models, targets):
    late = make_rdms(np.ones((len(TIMES), PAIRS)), TIMES + 5)
    with pytest.raises(ValueError, match="late are at other times"):
        alignment.measure(models | {"late": late}, targets, resamples=2, seed=0)


def test_a_model_undefined_after_onset_is_refused(targets):
    hole = np.ones((len(TIMES), PAIRS))
    hole[-1] = np.nan
    with pytest.raises(ValueError, match="group are undefined at times after onset"):
        alignment.measure({"group": make_rdms(hole)}, targets, resamples=2, seed=0)


def test_undefined_measurements_are_refused(models, targets):
    targets["sub-02"].values[0, 0] = np.nan
    with pytest.raises(ValueError, match="sub-02 have undefined values"):
        alignment.measure(models, targets, resamples=2, seed=0)


def test_no_participants_are_refused(models):
    with pytest.raises(ValueError, match="targets is empty"):
        alignment.measure(models, {}, resamples=2, seed=0)
