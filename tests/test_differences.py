"""Where people differ: the planted time, dimension and block are found, and nothing where there is nothing."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom, false_discovery_control

from cliphba.evaluate import alignment, differences, personal, second_order
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import Independence
from tests.planted import (
    DIMENSIONS,
    RESPONSE,
    STIMULI,
    TIMES,
    accepted,
    embedding,
    geometry,
    names,
    pictures,
    recording,
    reweighting,
    series,
)

WHOSE = Independence(images=True, data=True, people=False)
PERSONAL = 2


def gains(random, people, *, dimension=PERSONAL):
    """(people, 1, dimensions): people differ in one dimension only."""
    found = np.ones((people, 1, len(DIMENSIONS)))
    found[..., dimension] = np.geomspace(0.2, 5, people)[random.permutation(people)][:, None]
    return found


def people_who_differ(random, people, *, noise=0.2, models=0.05, **which):
    """Embeddings of personal models, and recordings."""
    weighed = pictures(random) * gains(random, people, **which)
    embeddings = [embedding(one + models * random.normal(size=one.shape)) for one in weighed]
    measured = [recording(random, geometry(one), noise=noise) for one in weighed]
    return tuple(dict(zip(names(people), some, strict=True)) for some in (embeddings, measured))


def over_dimensions(embeddings, measured, **given):
    return differences.over_dimensions(embeddings, measured, **({"resamples": 40, "seed": 0} | given))


# times


def alike_but_at(random, times, people=6):
    """People who differ at some times after onset, and models of them."""
    positions = pictures(random)
    own = positions * np.exp(random.normal(size=(people, 1, len(DIMENSIONS))))
    chosen = np.isin(RESPONSE, times)[:, None, None]
    embeddings = [embedding(np.where(chosen, one, positions)) for one in own]
    measured = {name: recording(random, np.zeros(91), noise=0.2) for name in names(people)}
    for rdms, model in zip(measured.values(), embeddings, strict=True):
        rdms.values[TIMES > 0] += model.rdms(STIMULI).values
    models = {name: one.rdms(STIMULI).at(TIMES) for name, one in zip(measured, embeddings, strict=True)}
    return alignment.measure(models, measured, resamples=40, seed=0)


def test_the_time_is_found():
    found = differences.over_time(alike_but_at(np.random.default_rng(0), [60, 80]), seed=0)
    np.testing.assert_array_equal(found["time_ms"], RESPONSE)
    np.testing.assert_array_equal(found["p"] <= 0.05, np.isin(RESPONSE, [60, 80]))
    assert (found.loc[found["p"] <= 0.05, "low"] > 0).all()


def test_margins_over_time_are_those_of_the_matrices():
    found = alike_but_at(np.random.default_rng(1), [60])
    rho = found.personal().value
    margins = [personal.margin(rho[..., time]) for time in np.flatnonzero(TIMES > 0)]
    np.testing.assert_allclose(differences.over_time(found, seed=0)["value"], margins)


def test_no_time_is_found_where_nobody_differs():
    random = np.random.default_rng(2)
    p = [differences.over_time(alike_but_at(random, []), seed=0)["p"].min() for _ in range(30)]
    assert np.sum(np.array(p) <= 0.05) <= binom.ppf(0.9995, 30, 0.05)


# dimensions


@pytest.mark.parametrize("comparison", ["spearman", "pearson", "cosine"])
def test_the_dimension_is_found(comparison):
    embeddings, measured = people_who_differ(np.random.default_rng(3), 6)
    found = over_dimensions(embeddings, measured, comparison=comparison).set_index("item")
    assert list(found.index) == list(DIMENSIONS)
    own = found.loc[DIMENSIONS[PERSONAL]]
    assert own["low"] > 0
    assert own["q"] <= 0.05
    assert found["value"].idxmax() == DIMENSIONS[PERSONAL]
    np.testing.assert_allclose(found["q"], false_discovery_control(found["p"]))


def test_a_dimension_in_which_models_do_not_differ_costs_nothing():
    embeddings, measured = people_who_differ(np.random.default_rng(4), 6, models=0)
    found = over_dimensions(embeddings, measured).set_index("item").drop(index=DIMENSIONS[PERSONAL])
    np.testing.assert_allclose(found[["value", "low", "high"]], 0, atol=1e-6)
    assert (found["p"] > 0.05).all()


def test_what_is_lost_is_the_margin_without_less_that_with():
    embeddings, measured = people_who_differ(np.random.default_rng(5), 5)
    found = over_dimensions(embeddings, measured).set_index("item")
    values = np.stack([one.values for one in embeddings.values()]).astype(float)
    alike = values.copy()
    alike[..., 1] = values[..., 1].mean(0)

    def margin(models):
        rdms = [series(one).values[TIMES > 0].mean(0) for one in models]
        brains = [one.values[TIMES > 0].mean(0) for one in measured.values()]
        return personal.margin(np.array([[np.corrcoef(_rank(a), _rank(b))[0, 1] for b in brains] for a in rdms]))

    assert found.loc[DIMENSIONS[1], "value"] == pytest.approx(margin(values) - margin(alike), abs=1e-4)


def _rank(values):
    return values.argsort().argsort()


def test_dimensions_that_are_noise_are_not_found_beside_one_that_is_not():
    """Models differ in all dimensions, people in one: of the others as many are found as by chance, or fewer."""
    random = np.random.default_rng(6)
    p = []
    for _ in range(12):
        given = people_who_differ(random, 6, models=0.4)
        p.extend(over_dimensions(*given, resamples=0).set_index("item")["p"].drop(DIMENSIONS[PERSONAL]))
    assert np.sum(np.array(p) <= 0.05) <= binom.ppf(0.9995, len(p), 0.05)


def test_stimuli_and_people_may_come_in_another_order():
    embeddings, measured = people_who_differ(np.random.default_rng(7), 5)
    turned = {name: embeddings[name].of(STIMULI[::-1]) for name in reversed(embeddings)}
    for values in ("value", "p"):
        found = [over_dimensions(one, measured)[values] for one in (embeddings, turned)]
        np.testing.assert_allclose(*found, atol=1e-9)


def test_with_three_people_there_is_an_interval_but_no_p():
    found = over_dimensions(*people_who_differ(np.random.default_rng(8), 3))
    assert found[["value", "low", "high"]].notna().all(axis=None)
    assert found[["p", "q"]].isna().all(axis=None)
    times = differences.over_time(alike_but_at(np.random.default_rng(9), [60], people=3), seed=0)
    assert times["p"].isna().all()
    assert times["low"].notna().all()


# blocks


def brains(random, distance, *, people=6):
    """Dissimilarity of people in their brains that follows how far apart they are on a line."""
    first, second = np.array(list(itertools.combinations(range(people), 2))).T
    apart = 1 - np.exp(-((distance[first] - distance[second]) ** 2))
    return Estimate(apart, apart + 0.01 * random.normal(size=(40, len(apart))))


def weights(random, distance):
    """(people, times, blocks), the second of three blocks as the brains are, the others noise."""
    found = random.normal(size=(len(distance), len(RESPONSE), 3))
    found[..., 1] = distance[:, None] + 0.01 * random.normal(size=(len(distance), len(RESPONSE)))
    return found


def test_the_block_is_found():
    random = np.random.default_rng(10)
    distance = random.normal(size=6)
    table = reweighting(weights(random, distance), names(6))
    found = differences.over_blocks(table, names(6), brains(random, distance), permutations=720, seed=0)
    found = found.set_index("item")
    assert (found["q"] <= 0.05).tolist() == [False, True, False]
    assert found.loc["2", "value"] > 0.9
    assert found.loc["2", "low"] > 0.5
    np.testing.assert_allclose(found["q"], false_discovery_control(found["p"]))


def test_people_in_any_order_of_the_table():
    random = np.random.default_rng(11)
    distance = random.normal(size=6)
    table = reweighting(weights(random, distance), names(6))
    there = brains(random, distance)
    orders = [table, table.iloc[::-1]]
    found = [differences.over_blocks(one, names(6), there, permutations=50, seed=0) for one in orders]
    np.testing.assert_array_equal(found[0]["value"], found[1]["value"])
    other = differences.over_blocks(table, names(6)[::-1], there, permutations=50, seed=0)
    assert (other["value"] != found[0]["value"]).any()


def test_no_block_is_found_where_there_is_nothing():
    random = np.random.default_rng(12)
    p = [
        differences.over_blocks(
            reweighting(random.normal(size=(6, 6, 3)), names(6)),
            names(6),
            brains(random, random.normal(size=6)),
            permutations=100,
            seed=0,
        )["p"]
        for _ in range(40)
    ]
    assert np.sum(np.array(p) <= 0.05) <= binom.ppf(0.9995, 120, 0.05)


def test_spread_by_hand():
    table = reweighting(np.array([[[1.0, 0.0]], [[3.0, 0.0]]]).repeat(6, axis=1), ("a", "b"))
    found = differences.spread_of_blocks(table)
    assert found["item"].tolist() == ["1", "2"]
    np.testing.assert_allclose(found["value"], [np.sqrt(2), 0])


def test_they_are_a_valid_table(tmp_path):
    random = np.random.default_rng(13)
    embeddings, measured = people_who_differ(random, 6)
    table = reweighting(weights(random, np.arange(6.0)), names(6))
    shared = alignment.measure(measured, measured, resamples=5, seed=0)
    space = second_order.dissimilarity(shared)
    parts = [
        over_dimensions(embeddings, measured),
        differences.over_time(shared, seed=0),
        differences.over_blocks(table, names(6), space, permutations=50, seed=0),
        differences.spread_of_blocks(table),
    ]
    for number, part in enumerate(parts):
        accepted({"differences": part.assign(**WHOSE.columns())}, tmp_path / str(number))
