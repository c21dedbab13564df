"""Odd-one-out accuracy and its human ceilings, by hand, against plain loops, and where the truth is known."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cliphba import behavior, rdm
from cliphba.evaluate import odd_one_out, permutation
from cliphba.evaluate.alignment import LOWER, UPPER
from cliphba.evaluate.odd_one_out import ANOTHER, Judgements
from cliphba.simulate.factors import draw_factors
from cliphba.simulate.judgements import judge_triplets, perceived_embedding
from cliphba.tables import RDMs
from tests.conftest import real_data

STATIC = np.array([np.nan])
COLUMNS = ["first", "second", "odd", "participant"]


def static(values, stimuli):
    return RDMs(STATIC, np.asarray(values, dtype=np.float32)[None], tuple(stimuli))


def judged(*rows):
    """Table of judgements from words such as "abc ann": a and b kept together by ann."""
    return pd.DataFrame([(*word.split()[0], word.split()[1]) for word in rows], columns=COLUMNS)


def simulate(stimuli, *, repetitions, judges, seed=0, temperature=1.0):
    """The embedding that people see, and their judgements as a table of kind triplets."""
    seen = perceived_embedding(draw_factors(count=stimuli, seed=seed))
    found = judge_triplets(seen, repetitions=repetitions, temperature=temperature, judges=judges, seed=seed + 1)
    names = [f"image-{index:02d}" for index in range(stimuli)]
    table = found.assign(**{column: np.array(names)[found[column]] for column in COLUMNS[:3]})
    return seen.to_numpy(), names, table.assign(participant="judge-" + found["participant"].astype(str))


def plain_accuracy(dissimilarity, judgements):
    """Points of each judgement, in plain words."""
    square = rdm.to_square(dissimilarity)
    points = []
    for first, second, odd in judgements.triplets:
        pairs = [square[first, second], square[first, odd], square[second, odd]]
        points.append(pairs.count(min(pairs)) ** -1 if pairs[0] == min(pairs) else 0)
    return np.array(points)


def test_judgements_are_found_in_the_order_of_the_stimuli():
    found = Judgements.of(judged("abc ann", "bza bob", "bda bob", "cdb ann"), list("dcba"))
    np.testing.assert_array_equal(found.triplets, [[3, 2, 1], [2, 0, 3], [1, 0, 2]])
    assert found.judges == ("ann", "bob")
    np.testing.assert_array_equal(found.judge, [0, 1, 0])
    # pairs dc db da cb ca ba stand at 0 to 5
    np.testing.assert_array_equal(found.pairs, [[5, 4, 3], [1, 5, 2], [0, 3, 1]])


def test_judgements_without_judges():
    found = Judgements.of(judged("abc ann", "abd ann").assign(participant=None), list("abcd"))
    assert found.judges == ()
    np.testing.assert_array_equal(found.judge, [0, 0])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (judged("xyz ann"), "none of 1 judgements"),
        (judged("aab ann"), "twice"),
        (judged("abc ann", "abd bob").assign(participant=["ann", None]), "all or of none"),
    ],
)
def test_judgements_that_cannot_be_used_are_refused(table, message):
    with pytest.raises(ValueError, match=message):
        Judgements.of(table, list("abcd"))


def test_correctness_by_hand():
    # pairs ab ac bc
    judgements = Judgements.of(judged("abc ann", "cab ann", "bca ann"), list("abc"))
    models = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 3.0], [2.0, 2.0, 2.0], [np.nan] * 3])
    expected = [[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [np.nan] * 3]
    np.testing.assert_allclose(odd_one_out.correctness(models, judgements.pairs), expected)


def test_accuracy_and_its_resamples_are_those_of_plain_loops():
    _, names, table = simulate(7, repetitions=2, judges=3)
    judgements = Judgements.of(table, names)
    random = np.random.default_rng(0)
    model = RDMs(np.array([-10.0, 10.0, 20.0]), random.normal(size=(3, 21)).round(1).astype(np.float32), tuple(names))
    model.values[0] = np.nan
    found = odd_one_out.measure({"model": model}, judgements, resamples=5, seed=3)
    points = np.stack([plain_accuracy(values, judgements) for values in model.values[1:]])
    assert np.isnan(found.overall("model").value[0])
    np.testing.assert_allclose(found.overall("model").value[1:], points.mean(1))
    counts = odd_one_out.bootstrap.draw(7, 5, seed=(3, 0))
    for resample, drawn in enumerate(counts):
        weights = drawn[judgements.triplets].prod(1)
        for judge in range(3):
            own = weights * (judgements.judge == judge)
            expected = [own @ one / own.sum() for one in points]
            np.testing.assert_allclose(found.by_judge("model").resampled[resample, judge, 1:], expected)
        of_judge = found.draws[resample][judgements.judge]
        np.testing.assert_allclose(
            found.over_judges("model").resampled[resample, 1:], points @ of_judge / of_judge.sum()
        )


def test_deviations_of_joint_resamples_are_scaled_and_nothing_else():
    _, names, table = simulate(9, repetitions=2, judges=4)
    model = static(np.random.default_rng(0).normal(size=36), names)
    judgements = Judgements.of(table, names)
    found = odd_one_out.measure({"model": model}, judgements, resamples=300, seed=0)
    right, number = found.right["model"].resampled[..., 0], found.judged.resampled
    jointly = (found.draws * right).sum(1) / (found.draws * number).sum(1)
    overall = found.overall("model").resampled[:, 0]
    np.testing.assert_allclose(np.corrcoef(jointly, overall)[0, 1], 1)
    assert overall.mean() == pytest.approx(jointly.mean())
    images, people = (right.sum(1) / number.sum(1)).var(), found.over_judges("model").resampled.var()
    # of four judges a quarter of their variance is not seen, and Student's t widens the rest
    once = 2 * (images + people) - jointly.var() + people / 3
    wider = stats.t.ppf(0.975, 3 * (once / (people * 4 / 3)) ** 2) / stats.norm.ppf(0.975)
    assert overall.std() == pytest.approx(wider * np.sqrt(once))


def test_noise_of_single_judgements_counts_once():
    """Judgements at random, no two of the same triplet: accuracies stray from chance by their number alone."""
    random = np.random.default_rng(0)
    names = [f"image-{index}" for index in range(100)]
    triplets = np.stack([random.permutation(100)[:3] for _ in range(3000)])
    judgements = Judgements(
        tuple(names), triplets, tuple(f"judge-{i}" for i in range(30)), random.integers(30, size=3000)
    )
    model = static(random.normal(size=4950), names)
    found = odd_one_out.measure({"model": model}, judgements, resamples=1000, seed=0)
    expected = np.sqrt(2 / 9 / 3000)
    assert found.overall("model").resampled.std() == pytest.approx(expected, rel=0.35)
    stimuli = found.right["model"].resampled.sum(1) / found.judged.resampled.sum(1)[:, None]
    assert stimuli.std() > 2 * expected


def test_difference_is_paired():
    embedding, names, table = simulate(10, repetitions=2, judges=5)
    judgements = Judgements.of(table, names)
    close = static(behavior.dot_product_dissimilarity(embedding), names)
    far = static(rdm.correlation_distance(embedding), names)
    found = odd_one_out.measure({"close": close, "same": close, "far": far}, judgements, resamples=100, seed=0)
    assert found.difference("close", "same").resampled.any() == False  # noqa: E712
    value = found.overall("close").value - found.overall("far").value
    np.testing.assert_allclose(found.difference("close", "far").value, value)


def test_one_unknown_judge_leaves_images_to_vary():
    _, names, table = simulate(9, repetitions=1, judges=3)
    judgements = Judgements.of(table.assign(participant=None), names)
    found = odd_one_out.measure({"model": static(np.arange(36), names)}, judgements, resamples=50, seed=0)
    assert found.varies == "images"
    right, number = found.right["model"].resampled[:, 0], found.judged.resampled
    np.testing.assert_allclose(found.overall("model").resampled, right / number, atol=1e-12)
    with pytest.raises(ValueError, match="two or more"):
        found.over_judges("model")


def test_model_of_other_stimuli_is_refused():
    judgements = Judgements.of(judged("abc ann"), list("abc"))
    with pytest.raises(ValueError, match="other stimuli"):
        odd_one_out.measure({"model": static([1, 2, 3], "acb")}, judgements, resamples=2, seed=0)


def test_ceilings_by_hand():
    # abc: two keep ab together, one ac; abd: one judge twice, nobody else
    table = judged("abc ann", "bac bob", "cab eve", "abd ann", "bad ann")
    found = odd_one_out.human_ceiling(Judgements.of(table, list("abcd")), resamples=2, seed=0)
    assert found.judged.value.sum() == 3
    assert found.judges == ("ann", "bob", "eve")
    # ann: one of two others agrees, and they tie; bob the same; eve: nobody agrees
    assert found.overall(ANOTHER).value == pytest.approx(1 / 3)
    assert found.overall(LOWER).value == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert found.overall(UPPER).value == pytest.approx(2 / 3)
    np.testing.assert_allclose(found.by_judge(UPPER).value[:, 0], [1, 1, 0])


def test_two_judgements_of_each_triplet():
    _, names, table = simulate(8, repetitions=2, judges=500)
    found = odd_one_out.human_ceiling(Judgements.of(table.assign(participant=None), names), resamples=2, seed=0)
    another, lower, upper = (found.overall(name).value[0] for name in (ANOTHER, LOWER, UPPER))
    assert lower == pytest.approx(another)
    assert upper == pytest.approx((1 + another) / 2)


def test_without_repeated_judgements_there_is_no_ceiling():
    with pytest.raises(ValueError, match="no triplet was judged by two people"):
        odd_one_out.human_ceiling(Judgements.of(judged("abc ann", "abc ann"), list("abc")), resamples=2, seed=0)


@pytest.mark.parametrize("repetitions", [2, 5])
def test_ceilings_bracket_the_best_model(repetitions):
    """Of the embedding that people judge by, the expected accuracy follows from their choice probabilities."""
    embedding, names, table = simulate(16, repetitions=repetitions, judges=10)
    judgements = Judgements.of(table, names)
    similarity = embedding @ embedding.T
    strengths = [
        np.exp([similarity[i, j], similarity[i, k], similarity[j, k]]) for i, j, k in combinations(range(16), 3)
    ]
    best = np.mean([strength.max() / strength.sum() for strength in strengths])
    model = static(behavior.dot_product_dissimilarity(embedding), names)
    accuracy = odd_one_out.measure({"truth": model}, judgements, resamples=2, seed=0).overall("truth").value[0]
    ceiling = odd_one_out.human_ceiling(judgements, resamples=2, seed=0)
    spread = np.sqrt(0.25 / len(table))
    assert accuracy == pytest.approx(best, abs=4 * spread)
    assert ceiling.overall(LOWER).value[0] < best < ceiling.overall(UPPER).value[0]
    on_repeated = odd_one_out.measure({"truth": model}, odd_one_out.repeated(judgements), resamples=2, seed=0)
    assert on_repeated.overall("truth").value[0] <= ceiling.overall(UPPER).value[0]


def test_relabelled_accuracies_are_those_of_relabelled_rdms():
    _, names, table = simulate(8, repetitions=2, judges=3)
    judgements = Judgements.of(table, names)
    values = np.random.default_rng(0).normal(size=(2, 3, 28)).round(1)
    values[1, 0] = np.nan
    found = odd_one_out.relabel(values, judgements, permutations=20, seed=1)
    assert found.shape == (20, 2, 3)
    for labelling, order in enumerate(permutation.labellings(8, 20, seed=1)):
        points = odd_one_out.correctness(rdm.select(values, order), judgements.pairs)
        np.testing.assert_allclose(found[labelling], points.mean(-1) - 1 / 3)


def test_over_all_labellings_the_mean_accuracy_is_chance():
    judgements = Judgements.of(judged("abc ann", "abd ann", "bce bob"), list("abcde"))
    found = odd_one_out.relabel(np.random.default_rng(0).normal(size=10), judgements, permutations=120, seed=0)
    assert found.mean() == pytest.approx(0, abs=1e-12)


def test_relabelling_finds_what_is_there_and_nothing_else():
    embedding, names, table = simulate(12, repetitions=1, judges=3)
    judgements = Judgements.of(table, names)
    truth = odd_one_out.relabel(rdm.correlation_distance(embedding), judgements, permutations=200, seed=0)
    assert permutation.relabelled_p(truth) == pytest.approx(1 / 200)
    random = np.random.default_rng(0)
    unrelated = rdm.correlation_distance(random.normal(size=(400, 12, 6)))
    p = permutation.relabelled_p(odd_one_out.relabel(unrelated, judgements, permutations=100, seed=0))
    # 400 draws of at most 0.05: more than 38 come once in ten thousand times
    assert (p <= 0.05).sum() <= 38


def test_noise_ceiling_of_the_human_rdm_is_what_the_true_rdm_reaches():
    embedding, names, table = simulate(20, repetitions=2, judges=10)
    truth, human = behavior.choice_dissimilarity(embedding), behavior.triplet_dissimilarity(table, names)
    ceiling = odd_one_out.rdm_ceiling(table, names, splits=10, resamples=20, seed=0)
    assert ceiling[UPPER].value == pytest.approx(rdm.spearman(truth, human), abs=0.02)
    assert ceiling[LOWER].value < ceiling[UPPER].value
    assert ceiling[LOWER].resampled.shape == (20,)


def test_judgements_at_random_have_no_ceiling():
    names = [f"image-{index}" for index in range(12)]
    blind = judge_triplets(pd.DataFrame(np.zeros((12, 2))), repetitions=4, temperature=1.0, judges=2, seed=0)
    table = blind.assign(**{column: np.array(names)[blind[column]] for column in COLUMNS[:3]})
    ceiling = odd_one_out.rdm_ceiling(table, names, splits=20, resamples=2, seed=0)
    assert abs(ceiling[LOWER].value) < 0.25


def test_table_has_all_judgements_and_those_of_each_judge():
    _, names, table = simulate(9, repetitions=2, judges=3)
    values = np.random.default_rng(0).normal(size=(3, 36)).astype(np.float32)
    values[0] = np.nan
    models = {"clip": static(values[1], names), "group": RDMs(np.array([-5.0, 5.0, 10.0]), values, tuple(names))}
    found = odd_one_out.measure(models, Judgements.of(table, names), resamples=50, seed=0)
    rows = odd_one_out.table(found)
    assert list(rows.columns) == ["model", "judge", "judgements", "value", "low", "high", "varies"]
    assert len(rows) == 2 * (1 + 3)
    group = rows[rows["model"] == "group"]
    assert group["value"].iloc[0] == pytest.approx(found.overall("group").value[1:].mean())
    assert group["judgements"].iloc[0] == group["judgements"].iloc[1:].sum() == len(table)
    assert list(group["varies"]) == ["images and people"] + 3 * ["images"]


def test_real_people_and_spose():
    """SPoSE-66 predicts 62 to 67 % of human judgements (Hebart et al. 2020, doi:10.1038/s41562-020-00951-3)."""
    folder = real_data("things")
    things = behavior.read_things(folder)
    table = behavior.read_things_triplets(folder / "triplets_sample.txt", things.concepts)
    judgements = Judgements.of(table, things.concepts)
    model = static(behavior.dot_product_dissimilarity(things.embedding), things.concepts)
    found = odd_one_out.measure({"spose": model}, judgements, resamples=200, seed=0)
    accuracy = found.over_judges("spose")
    (low,), (high,) = accuracy.interval()
    assert 0.62 <= accuracy.value[0] <= 0.67
    assert 0.55 < low < accuracy.value[0] < high < 0.70
    by_judge = found.by_judge("spose").value[:, 0]
    assert by_judge.min() > 0.5
    assert permutation.sign_flip_p(by_judge - odd_one_out.CHANCE, seed=0) < 0.01
