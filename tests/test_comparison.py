"""Models compared on new images: by hand, planted differences found, what does not fit refused."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from cliphba import readable, tables
from cliphba.evaluate import alignment, comparison, second_order
from cliphba.tables import RDMs

STIMULI = ("axe", "bed", "cat", "dog", "egg")
PAIRS = list(itertools.combinations(STIMULI, 2))
TIMES = np.array([-20.0, 20, 40])


def course(seed, times=TIMES):
    values = np.random.default_rng(seed).uniform(size=(len(times), len(PAIRS))).astype(np.float32)
    return RDMs(times, values, STIMULI)


@pytest.fixture(scope="module")
def people():
    return {f"sub-0{number}": course(number) for number in (1, 2, 3)}


@pytest.fixture(scope="module")
def found(people):
    return comparison.compare(people, resamples=200, seed=0)


def test_agreement_is_spearmans_at_every_time_and_in_the_mean_after_onset(people, found):
    table = found["model_agreement"]
    for one, other in itertools.combinations(people, 2):
        rho = [spearmanr(people[one].values[t], people[other].values[t])[0] for t in range(3)]
        course = table[(table["first"] == one) & (table["second"] == other)]
        np.testing.assert_allclose(course["rho"], [*rho, np.mean(rho[1:])])
        np.testing.assert_array_equal(course["time_ms"], [*TIMES, np.nan])
    assert len(table) == 3 * 4


def test_the_mean_is_that_of_second_order_rsa(people, found):
    table = found["model_agreement"]
    space = second_order.dissimilarity(alignment.measure(people, people, resamples=200, seed=0))
    mean = table[table["time_ms"].isna()]
    np.testing.assert_allclose(1 - mean["rho"], space.value)
    np.testing.assert_allclose(1 - mean["low"], space.columns()["high"], atol=0.05)
    assert (mean["low"] < mean["high"]).all()


def test_percentiles_by_hand(people, found):
    table = found["seen_differently"].set_index(["model", "time_ms", "first", "second"])
    percentiles = {name: (rankdata(rdms.values, axis=1) - 0.5) * 10 for name, rdms in people.items()}
    assert len(table) == 3 * 4 * len(PAIRS)
    for time, pair in itertools.product(range(3), range(len(PAIRS))):
        row = table.loc[("sub-02", TIMES[time], *PAIRS[pair])]
        others = (percentiles["sub-01"][time, pair] + percentiles["sub-03"][time, pair]) / 2
        expected = [percentiles["sub-02"][time, pair], others, percentiles["sub-02"][time, pair] - others]
        np.testing.assert_allclose(row.astype(float), expected)
    means = found["seen_differently"].query("model == 'sub-02' and time_ms.isna()").set_index(["first", "second"])
    mean = percentiles["sub-02"][1:].mean(0)
    np.testing.assert_allclose(means.loc[PAIRS, "percentile"], mean)


def test_a_planted_difference_comes_first():
    """One person sees one pair as alike as no other at one time, which all others see as the most different."""
    same = course(0)
    other = same.values.copy()
    other[2, same.values[2].argmax()] = -1
    people = {"sub-01": same, "sub-02": same, "sub-03": RDMs(TIMES, other, STIMULI), "sub-04": same}
    table = comparison.compare(people, resamples=0, seed=0)["seen_differently"].dropna(subset="time_ms")
    first = table.loc[table["difference"].abs().idxmax()]
    assert (first["model"], first["time_ms"], first["percentile"], first["others"]) == ("sub-03", 40, 5, 95)
    assert (first["first"], first["second"]) == PAIRS[same.values[2].argmax()]


def test_models_that_are_the_same_agree_and_differ_in_nothing(people):
    same = comparison.compare({"one": people["sub-01"], "other": people["sub-01"]}, resamples=20, seed=0)
    np.testing.assert_allclose(same["model_agreement"][["rho", "high"]], 1)
    assert (same["seen_differently"]["difference"] == 0).all()


def test_scale_does_not_matter(people, found):
    larger = RDMs(TIMES, 3 * people["sub-01"].values + 1, STIMULI)
    again = comparison.compare({**people, "sub-01": larger}, resamples=200, seed=0)
    for kind in found:
        pd.testing.assert_frame_equal(found[kind], again[kind])


def test_a_model_without_time_course_is_the_same_at_every_time(people):
    static = RDMs.static(course(9).values[0], STIMULI)
    table = comparison.compare({"behavior": static, "sub-01": people["sub-01"]}, resamples=0, seed=0)
    rho = [spearmanr(static.values[0], row)[0] for row in people["sub-01"].values]
    np.testing.assert_allclose(table["model_agreement"]["rho"], [*rho, np.mean(rho[1:])])


def test_models_without_time_course_have_one_row_a_pair():
    static = {name: RDMs.static(course(seed).values[0], STIMULI) for seed, name in enumerate("abc")}
    found = comparison.compare(static, resamples=0, seed=0)
    assert len(found["model_agreement"]) == 3
    assert len(found["seen_differently"]) == 3 * len(PAIRS)
    assert found["model_agreement"]["time_ms"].isna().all()


def test_the_largest_differences_are_kept_of_each_model_and_time(people):
    table = comparison.seen_differently(people, kept=2)
    whole = comparison.seen_differently(people)
    assert table.groupby(["model", "time_ms"], dropna=False).size().eq(2).all()
    assert table["difference"].abs().max() == whole["difference"].abs().max()


def test_tables_are_those_documented(found, tmp_path):
    for kind, table in found.items():
        tables.write(table, tmp_path / "table.parquet", kind)
        pd.testing.assert_frame_equal(tables.read(tmp_path / "table.parquet", kind), table, check_dtype=False)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"one": course(0)}, "models: two or more are needed to compare, not 1"),
        ({"one": course(0), "two": course(1, TIMES + 5)}, "the RDMs of two are at other times"),
        ({"one": course(0), "two": course(1, TIMES[1:])}, "the RDMs of two are at other times"),
        ({"one": course(0), "two": course(1).of(STIMULI[::-1])}, "the RDMs of two have other stimuli"),
        ({"one": course(0).of(STIMULI[:2]), "two": course(1).of(STIMULI[:2])}, "images: 3 or more are needed"),
    ],
)
def test_what_does_not_fit_is_refused(models, message):
    with pytest.raises(ValueError, match=message):
        comparison.compare(models, resamples=0, seed=0)


def test_what_is_said_is_the_closest_first_and_the_most_different_pairs(people, found):
    text = readable.comparison(found["model_agreement"], found["seen_differently"])
    means = found["model_agreement"].query("time_ms.isna()").sort_values("rho", ascending=False)
    told = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| sub-")]
    assert told == [f"{row.first}, {row.second}" for row in means.itertuples()]
    largest = found["seen_differently"].dropna(subset="time_ms").sort_values("difference", key=lambda d: -d.abs())
    row = largest.iloc[0]
    assert f"| {row['first']}, {row['second']}" in text
    assert f"| {row['time_ms']:g} ms" in text
    assert "nan" not in readable.comparison(*comparison.compare(people, resamples=0, seed=0).values())
