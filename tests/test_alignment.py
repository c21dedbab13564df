"""Alignment over time, its noise ceilings and its bootstrap, against SciPy, rsatoolbox and explicit resampling."""

import tracemalloc

import numpy as np
import pytest
from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
from rsatoolbox.rdm import RDMs as ToolboxRDMs
from scipy.stats import norm, spearmanr, t

from cliphba import rdm, tables
from cliphba.evaluate import alignment, bootstrap
from cliphba.evaluate.bootstrap import Comparable, Estimate

TIMES = np.array([-20.0, 0.0, 20.0, 40.0, 60.0])
STATIC = np.array([np.nan])
STIMULI = 9
PAIRS = STIMULI * (STIMULI - 1) // 2
TOOLBOX = {"spearman": "spearman", "pearson": "corr", "cosine": "cosine"}
COEFFICIENTS = {
    "spearman": lambda first, second: spearmanr(first, second).statistic,
    "pearson": lambda first, second: np.corrcoef(first, second)[0, 1],
    "cosine": lambda first, second: first @ second / np.sqrt((first @ first) * (second @ second)),
}


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


def align(model, targets, comparison="spearman"):
    """(participants, times) of a model (times, pairs) with targets (participants, times, pairs)."""
    measured = {str(index): make_rdms(one) for index, one in enumerate(targets)}
    models = {"model": make_rdms(model, TIMES if len(model) > 1 else STATIC)}
    return alignment.measure(models, measured, comparison=comparison, resamples=0, seed=0).rho["model"].value


def compare_under(predicted, measured, counts, comparison="spearman"):
    """(resamples, predictions, participants) at one time."""
    predicted, measured = ([Comparable(one, comparison) for one in side] for side in (predicted, measured))
    return bootstrap.resample(predicted, measured, counts)


def test_alignment_by_hand():
    model, target = make_rdms(np.array([[1.0, 2.0, 3.0]]), STATIC), np.array([[0.1, 0.3, 0.2], [0.3, 0.2, 0.1]])
    measured = {"sub-01": make_rdms(target, np.array([0.0, 10.0]))}
    found = alignment.measure({"clip": model}, measured, resamples=0, seed=0)
    assert found.rho["clip"].value == pytest.approx(np.array([[0.5, -1.0]]))


@pytest.mark.parametrize("comparison", COEFFICIENTS)
def test_alignment_is_scipys_or_numpys(values, comparison):
    model = np.random.default_rng(3).normal(size=(len(TIMES), PAIRS)).round(1)
    coefficient = COEFFICIENTS[comparison]
    expected = [[coefficient(model[time], one[time]) for time in range(len(TIMES))] for one in values]
    np.testing.assert_allclose(align(model, values, comparison), expected, atol=1e-6)


def test_alignment_is_undefined_where_the_model_is(values):
    model = np.random.default_rng(3).normal(size=(len(TIMES), PAIRS))
    model[:2] = np.nan
    rho = align(model, values)
    assert np.isnan(rho[:, :2]).all()
    assert np.isfinite(rho[:, 2:]).all()


@pytest.mark.parametrize("comparison", COEFFICIENTS)
def test_streamed_is_what_memory_gives(values, models, targets, tmp_path, comparison):
    random = np.random.default_rng(6)
    for name, one in targets.items():
        tables.write_rdms(one, tmp_path / name)
    names = targets["sub-01"].stimuli
    late = np.where(TIMES[:, None, None] > 0, random.normal(size=(len(TIMES), STIMULI, 7)), np.nan)
    embedding = tables.Embedding(TIMES, late.astype(np.float32), names)
    opened = {name: tables.open_rdms(tmp_path / name) for name in targets}
    settings = {"comparison": comparison, "resamples": 7, "seed": 3}
    found = alignment.measure(models | {"late": embedding.series(names)}, opened, **settings)
    expected = alignment.measure(models | {"late": embedding.rdms(names)}, targets, **settings)
    for name, estimate in expected.rho.items():
        np.testing.assert_array_equal(found.rho[name].value, estimate.value)
        np.testing.assert_array_equal(found.rho[name].resampled, estimate.resampled)
    ceilings = (alignment.noise_ceiling(series, **settings) for series in (opened, targets))
    first, second = (each.rho[alignment.UPPER].resampled for each in ceilings)
    np.testing.assert_array_equal(first, second)


def test_every_rdm_is_made_once():
    asked = []

    def series(name, times_ms):
        def row(index):
            asked.append((name, index))
            return np.random.default_rng(index).random(PAIRS).astype(np.float32)

        return tables.LazyRDMs(times_ms, tuple(str(index) for index in range(STIMULI)), row)

    models = {"clip": series("clip", STATIC), "group": series("group", TIMES)}
    targets = {name: series(name, TIMES) for name in ("sub-01", "sub-02")}
    alignment.measure(models, targets, resamples=3, seed=0)
    everywhere = [(name, time) for name in ("group", "sub-01", "sub-02") for time in range(len(TIMES))]
    assert sorted(asked) == sorted([("clip", 0), *everywhere])


def test_memory_grows_neither_with_times_nor_with_resamples():
    pairs = 120 * 119 // 2

    def peak(times, resamples):
        def series(seed):
            names = tuple(str(index) for index in range(120))
            return tables.LazyRDMs(
                np.arange(1.0, times + 1), names, lambda index: np.random.default_rng((seed, index)).random(pairs)
            )

        models, targets = {"group": series(0)}, {"sub-01": series(1), "sub-02": series(2)}
        tracemalloc.start()
        alignment.measure(models, targets, resamples=resamples, seed=0)
        alignment.noise_ceiling(targets, resamples=resamples, seed=0)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1, 1)  # compile
    few = peak(2, 20)
    assert peak(30, 20) < few + 30 * pairs * 4 / 10
    assert peak(2, 200) < few + 200 * pairs * 8 / 4


def test_area_by_hand_takes_only_samples_after_onset():
    rho = np.array([[9.0, 9.0, 0.1, 0.3, 0.1], [np.nan, np.nan, 0.0, 0.0, 0.2]])
    assert alignment.area_under_curve(rho, TIMES) == pytest.approx([8.0, 2.0])


def test_area_needs_two_samples():
    with pytest.raises(ValueError, match="times_ms"):
        alignment.area_under_curve(np.zeros(3), np.array([-10.0, 0.0, 10.0]))


@pytest.mark.parametrize("comparison", COEFFICIENTS)
def test_noise_ceiling_is_rsatoolboxs(values, comparison):
    shifted = np.round(values + 5, 1)
    targets = {str(index): make_rdms(one) for index, one in enumerate(shifted)}
    found = alignment.noise_ceiling(targets, comparison=comparison, resamples=2, seed=0)
    lower, upper = (found.mean(bound).value for bound in (alignment.LOWER, alignment.UPPER))
    for time in range(len(TIMES)):
        expected = boot_noise_ceiling(ToolboxRDMs(shifted[:, time]), method=TOOLBOX[comparison])
        assert (lower[time], upper[time]) == pytest.approx(expected, abs=1e-6)


def test_noise_ceiling_needs_two_participants(targets):
    with pytest.raises(ValueError, match="two or more participants"):
        alignment.noise_ceiling({"sub-01": targets["sub-01"]}, resamples=2, seed=0)


def test_no_model_rises_above_the_upper_ceiling(values, targets):
    upper = alignment.noise_ceiling(targets, resamples=2, seed=0).mean(alignment.UPPER).value
    candidates = [values.mean(0), values[0], np.median(values, axis=0)]
    # the mean of ranks is the best for Spearman without ties; with ties it is the best but for a hair
    assert all((align(model, values).mean(0) <= upper + 0.002).all() for model in candidates)


def test_own_ceiling_by_hand():
    own = Estimate(np.array([[0.25, -0.1], [0.0, 1.0]]), np.array([[[0.36, 0.04], [-0.2, 0.81]]]))
    others = Estimate(np.full((2, 2), 9.0), np.full((1, 2, 2), 9.0))
    rho = {name: Estimate(others.value.copy(), others.resampled.copy()) for name in ("sub-01", "sub-02")}
    for index, one in enumerate(rho.values()):
        one.value[index], one.resampled[:, index] = own.value[index], own.resampled[:, index]
    halves = alignment.Alignments(np.array([10.0, 20.0]), ("sub-01", "sub-02"), rho, np.ones((1, 2)))
    found = alignment.own_ceiling(halves)
    np.testing.assert_array_equal(found.rho[alignment.LOWER].value, own.value)
    np.testing.assert_allclose(found.rho[alignment.UPPER].value, [[0.5, 0], [0, 1]])
    np.testing.assert_allclose(found.rho[alignment.UPPER].resampled, [[[0.6, 0.2], [0, 0.9]]])


@pytest.mark.parametrize(("comparison", "within"), [("spearman", 0.02), ("pearson", 0.01), ("cosine", 0.01)])
def test_own_upper_ceiling_is_what_the_truth_reaches(comparison, within):
    """Two noisy halves of a known RDM: the bound is how the RDM itself correlates with the second half."""
    random = np.random.default_rng(7)
    truth = random.gamma(4, size=(1, 200 * 199 // 2))
    first, second = (make_rdms(truth + 3 * random.normal(size=truth.shape), STATIC) for _ in range(2))
    settings = {"comparison": comparison, "resamples": 0, "seed": 0}
    reached = alignment.measure({"truth": make_rdms(truth, STATIC)}, {"sub-01": second}, **settings).rho["truth"]
    halves = alignment.measure({"sub-01": first}, {"sub-01": second}, **settings)
    upper = alignment.own_ceiling(halves).rho[alignment.UPPER].value
    assert upper == pytest.approx(reached.value, abs=within)


def test_own_ceiling_of_noise_leaves_nothing_to_explain():
    random = np.random.default_rng(8)
    first, second = (
        {f"sub-{index:02d}": make_rdms(random.normal(size=(1, 780)), STATIC) for index in range(20)} for _ in range(2)
    )
    found = alignment.own_ceiling(alignment.measure(first, second, resamples=200, seed=0))
    low, high = found.rho[alignment.LOWER].interval()
    assert ((low <= 0) & (high >= 0)).sum() >= 17  # the 1 % quantile of binomial(20, 0.95) is 16
    low, _ = found.rho[alignment.UPPER].interval()
    assert (low == 0).sum() >= 17


def test_own_ceiling_needs_the_other_half_of_each(targets):
    halves = alignment.measure({"sub-01": targets["sub-01"]}, targets, resamples=0, seed=0)
    with pytest.raises(ValueError, match="participant sub-02 has no"):
        alignment.own_ceiling(halves)


@pytest.mark.parametrize("comparison", COEFFICIENTS)
def test_resample_is_that_of_explicit_resampling(values, comparison):
    random = np.random.default_rng(4)
    model = random.normal(size=(len(TIMES), PAIRS)).round(1)
    drawn = np.sort(random.integers(STIMULI, size=STIMULI))
    counts = np.bincount(drawn, minlength=STIMULI).astype(float)
    rows, columns = rdm.pair_indices(STIMULI)
    different = drawn[rows] != drawn[columns]

    def resample(triangle):
        return rdm.to_square(triangle)[drawn[rows], drawn[columns]][different]

    for time in range(len(TIMES)):
        found = compare_under([model[time]], values[:, time], counts[None], comparison)[0, 0]
        for participant, one in enumerate(values):
            expected = COEFFICIENTS[comparison](resample(model[time]), resample(one[time]))
            assert found[participant] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("comparison", COEFFICIENTS)
def test_every_stimulus_once_is_the_measurement(values, comparison):
    models = np.random.default_rng(5).normal(size=(2, PAIRS))
    found = compare_under(models, values[:, 0], np.ones((1, STIMULI)), comparison)[0]
    np.testing.assert_allclose(found, rdm.compare(models[:, None], values[:, 0], comparison), atol=1e-12)


def test_stimuli_are_drawn_again_where_fewer_than_three_differ():
    """Of four, a third of all resamples; of many, none, so that nothing is drawn otherwise than it was."""
    few = bootstrap.draw(4, 500, seed=(1, 0))
    drawn = bootstrap.draw_stimuli(4, 500, seed=(1, 0))
    different = (few > 0).sum(1)
    assert 0.25 < (different < 3).mean() < 0.45
    assert ((drawn > 0).sum(1) >= 3).all()
    assert (drawn.sum(1) == 4).all()
    np.testing.assert_array_equal(drawn[different >= 3], few[different >= 3])
    many = [one(12, 500, seed=(1, 0)) for one in (bootstrap.draw, bootstrap.draw_stimuli)]
    np.testing.assert_array_equal(*many)


def test_size_of_blocks_does_not_matter(values, monkeypatch):
    counts = bootstrap.draw(STIMULI, 20, seed=(1, 0))
    first = compare_under(values[:1, 0], values[:, 0], counts)
    monkeypatch.setattr(bootstrap, "BLOCK", 1)
    np.testing.assert_allclose(compare_under(values[:1, 0], values[:, 0], counts), first, atol=1e-12)


def test_without_resamples_there_are_no_intervals(models, targets):
    found = alignment.measure(models, targets, resamples=0, seed=0)
    expected = alignment.measure(models, targets, resamples=5, seed=0)
    np.testing.assert_array_equal(found.rho["group"].value, expected.rho["group"].value)
    np.testing.assert_array_equal(found.mean("clip").value, expected.mean("clip").value)
    assert np.isnan(found.mean("clip").interval()).all()
    gain = (found.rho["group"] - found.rho["clip"]).map(found.area)
    assert np.isfinite(gain.value).all()
    assert np.isnan(gain[0].interval()).all()


def test_mean_over_drawn_participants_by_hand():
    estimate = Estimate(np.array([0.1, 0.5]), np.array([[0.1, 0.5], [0.2, 0.4]]))
    mean = estimate.mean_over_participants(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert mean.value == pytest.approx(0.3)
    assert mean.resampled.mean() == pytest.approx(0.2)  # of 0.1, the first participant twice, and 0.3


def test_noise_that_both_bootstraps_count_is_counted_once():
    """Variances 4 (participants), 1 (stimuli), 9 (both): 2 (4 + 1) - 9 = 1 is raised to 4, the larger single one.

    Of two participants half the variance is seen: 4 more. All of it is theirs, with one degree of freedom.
    """
    value = np.array([-4.0, 4.0])
    draws = np.array([[1.5, 0.5], [1.5, 0.5], [0.5, 1.5], [0.5, 1.5]])  # means -2, -2, 2, 2
    # under its draws the joint means are -3, -3, 3, 3; with equal weights 1, -1, 1, -1
    resampled = np.array([[-7.0, 9.0], [-5.0, 3.0], [-3.0, 5.0], [-9.0, 7.0]])
    mean = Estimate(value, resampled).mean_over_participants(draws)
    wide = np.sqrt(8) * t.ppf(0.975, 1) / norm.ppf(0.975)
    assert mean.resampled == pytest.approx([-wide, -wide, wide, wide])


def test_stimuli_alone_keep_their_spread():
    resampled = np.random.default_rng(12).normal(size=(100, 1)).repeat(4, axis=1)
    mean = Estimate(np.zeros(4), resampled).mean_over_participants(np.ones((100, 4)))
    np.testing.assert_allclose(mean.resampled, resampled[:, 0])


@pytest.mark.parametrize("participants", [4, 6, 15])
def test_interval_over_people_covers_what_it_should(participants):
    """Participants who differ, measured without noise: 95 % of all studies' intervals hold the mean of all people."""
    random = np.random.default_rng(13)
    covered = 0
    for _ in range(500):
        value = random.normal(size=participants)
        draws = bootstrap.draw(participants, 400, seed=(int(random.integers(2**31)), 1))
        mean = Estimate(value, np.tile(value, (400, 1))).mean_over_participants(draws)
        low, high = mean.interval()
        covered += bool(low <= 0 <= high)
    assert 0.91 <= covered / 500 <= 0.98


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


def test_curves_have_gaps_before_onset(models, targets):
    found = alignment.curves(alignment.measure(models, targets, resamples=30, seed=0))
    assert len(found) == 2 * (1 + len(targets)) * len(TIMES)
    mean = found[found["participant"].isna()].set_index(["model", "time_ms"])
    assert mean.loc["clip"].notna()["rho"].all()
    assert mean.loc["group"]["rho"].isna().tolist() == (TIMES <= 0).tolist()
    each = found[found["participant"].notna() & (found["model"] == "clip")]
    np.testing.assert_allclose(each.groupby("time_ms")["rho"].mean(), mean.loc["clip"]["rho"], atol=1e-12)
    covered = found.dropna(subset="rho")
    assert (covered["low"] <= covered["high"]).all()


def test_ceiling_is_a_valid_table(values, targets, tmp_path):
    random = np.random.default_rng(10)
    others = {name: make_rdms(one + random.normal(size=one.shape)) for name, one in zip(targets, values, strict=True)}
    resampling = {"resamples": 50, "seed": 0}
    group = alignment.noise_ceiling(targets, **resampling)
    own = alignment.own_ceiling(alignment.measure(others, targets, **resampling))
    tables.write(alignment.ceiling(group, own), tmp_path / "ceiling", "ceiling")
    found = tables.read(tmp_path / "ceiling", "ceiling")
    assert len(found) == (1 + len(targets)) * 2 * len(TIMES)
    assert (found["low"] <= found["high"]).all()
    assert not found["independent_images"].any()
    bounds = found.fillna({"participant": "mean"}).pivot(index=["participant", "time_ms"], columns="bound")
    assert (bounds["value", "lower"] <= bounds["value", "upper"]).all()
    for bound, name in (("lower", alignment.LOWER), ("upper", alignment.UPPER)):
        np.testing.assert_array_equal(bounds.loc["mean"]["value", bound], group.mean(name).value)
        np.testing.assert_array_equal(bounds.loc["sub-03"]["value", bound], own.rho[name].value[2])
    lower = found[found["bound"] == "lower"]
    assert (lower["independent_data"] & (lower["independent_people"] == lower["participant"].isna())).all()
    assert not found.loc[found["bound"] == "upper", "independent_data":"independent_people"].any(axis=None)


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
