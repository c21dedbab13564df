"""Models against human judgements: known truth, chance, and what can be known with few judges or none."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, false_discovery_control, permutation_test, spearmanr

from cliphba import rdm
from cliphba.evaluate import judges
from cliphba.evaluate.findings import IMAGES, JUDGE_SIGNS, LABELS, PEOPLE_AND_IMAGES, Procedure
from cliphba.evaluate.judges import Judged
from tests.planted import (
    DIMENSIONS,
    PROCEDURE,
    RESPONSE,
    STIMULI,
    TIMES,
    accepted,
    embedding,
    geometry,
    independence,
    names,
    pictures,
    series,
    static,
)

PEOPLE = names(3)


def judge(random, positions, *, people, repetitions=2, noise=0.5):
    """Judgements of every triplet by people with noise of their own; no people: nobody knows whose they are."""
    triples = np.array(list(itertools.combinations(range(len(STIMULI)), 3)) * repetitions)
    distance = rdm.to_square(geometry(positions))
    pairs = [triples[:, list(pair)].T for pair in ((0, 1), (0, 2), (1, 2))]
    kept = np.stack([distance[first, second] for first, second in pairs], axis=1)
    odd = 2 - (kept + noise * random.normal(size=kept.shape)).argmin(1)
    order = np.array([[1, 2, 0], [0, 2, 1], [0, 1, 2]])[odd]
    named = np.array(STIMULI)[np.take_along_axis(triples, order, axis=1)]
    frame = pd.DataFrame(named, columns=["first", "second", "odd"])
    # nobody judges a triplet twice
    turn = np.add(*np.indices((repetitions, len(frame) // repetitions))).ravel()
    return frame.assign(participant=[f"judge-{one % people}" for one in turn] if people else None)


def simulate(random, *, people=7, signal=True, **given):
    """CLIP knows nothing, Behavior much of what people judge by; two personal models differ in strength of noise."""
    positions, unrelated, blurred = (np.abs(pictures(random)) for _ in range(3))
    judged = positions if signal else np.abs(pictures(random))
    models = {
        "clip": static(geometry(unrelated)),
        "behavior": static(geometry(positions + 0.3 * blurred)),
        "group": series(positions + 0.4 * blurred),
        **{name: series(positions + one * blurred) for name, one in zip(PEOPLE, (0.2, 0.5, 8), strict=True)},
    }
    values = pd.DataFrame(positions, index=list(STIMULI), columns=list(DIMENSIONS))
    return models, Judged(STIMULI, judge(random, judged, people=people, **given), embedding=values)


@pytest.fixture(scope="module", params=[0, 5, 7])
def study(request, tmp_path_factory):
    """Number of judges, what was simulated, and the tables, as they come back from disk."""
    models, judged = simulate(np.random.default_rng(request.param), people=request.param)
    found = judges.evaluate(models, judged, PROCEDURE)
    return request.param, models, judged, accepted(found, tmp_path_factory.mktemp("judges"))


@pytest.fixture
def summary(study):
    return study[3]["summary"].set_index(["metric", "model"])


def test_every_promised_row_is_there(study):
    people, models, _, tables = study
    found = tables["summary"].groupby("metric", sort=False)["model"].agg(list).to_dict()
    ceilings = ["lower ceiling", "upper ceiling"]
    assert found == {
        "behavior_rho": [*models, "ceiling", *ceilings],
        "behavior_rho_difference": ["behavior - clip"],
        "odd_one_out_accuracy": [*models, "embedding", "another judge", *ceilings],
        "odd_one_out_difference": ["behavior - clip"],
    }
    assert set(tables["summary"]["people"]) == {people}
    assert set(tables["behavior_rdm"]["source"]) == {"human", "clip", "behavior"}
    assert set(tables["behavior_course"]["model"]) == {"group", *PEOPLE}
    assert tables["odd_one_out"].query("model == 'behavior'")["judge"].notna().sum() == people


def test_what_was_exchanged_and_what_varies(study, summary):
    people = study[0]
    ceilings = ["lower ceiling", "upper ceiling", "another judge"]
    models = summary.loc[["behavior_rho", "odd_one_out_accuracy"]].drop(index=ceilings, level="model")
    assert (models["test"] == LABELS).all()
    assert models["p"].notna().all()
    assert summary.loc[("behavior_rho_difference", "behavior - clip"), "test"] == LABELS
    accuracies = summary.loc[("odd_one_out_difference", "behavior - clip")]
    assert accuracies["varies"] == (PEOPLE_AND_IMAGES if people else IMAGES)
    assert accuracies["test"] == JUDGE_SIGNS if people >= 6 else pd.isna(accuracies["test"])
    assert (summary["p"].notna() == summary["test"].notna()).all()
    rho = summary.loc[["behavior_rho", "behavior_rho_difference"]]
    assert (rho["varies"] == IMAGES).all()


def test_only_personal_models_are_of_a_participant_and_corrected_for_their_number(study):
    frame = study[3]["summary"]
    personal = frame["model"].isin(PEOPLE)
    assert (frame["participant"].notna() == personal).all()
    assert (frame.loc[personal, "participant"] == frame.loc[personal, "model"]).all()
    for _, rows in frame[personal].groupby("metric"):
        np.testing.assert_allclose(rows["q"], false_discovery_control(rows["p"]))
    assert frame.loc[~personal, "q"].isna().all()


def test_numbers_are_those_of_plain_loops(study, summary):
    _, models, judged, tables = study
    human = judged.human().values[0]
    rows = {name: one.values if len(one.times_ms) == 1 else one.values[TIMES > 0] for name, one in models.items()}
    place = {name: index for index, name in enumerate(STIMULI)}
    triples = judged.triplets[["first", "second", "odd"]].map(place.get).to_numpy()
    for name, values in rows.items():
        mean = values.mean(0)
        assert summary.loc[("behavior_rho", name), "value"] == pytest.approx(spearmanr(mean, human)[0], abs=1e-6)
        square = rdm.to_square(mean)
        right = [square[a, b] < min(square[a, c], square[b, c]) for a, b, c in triples]
        assert summary.loc[("odd_one_out_accuracy", name), "value"] == pytest.approx(np.mean(right))
    course = tables["behavior_course"].query("model == 'group' and time_ms > 0")["value"]
    np.testing.assert_allclose(course, [spearmanr(row, human)[0] for row in rows["group"]])


def test_what_was_planted_is_found(summary):
    for metric in ("behavior_rho", "odd_one_out_accuracy"):
        good = summary.loc[metric].loc[["behavior", "group", *PEOPLE[:2]]]
        assert (good["p"] <= 0.05).all()
        value = summary.loc[metric, "value"]
        assert value["clip"] < value["behavior"] < value["upper ceiling"]
        assert value[PEOPLE[2]] < value[PEOPLE[0]]
    for metric in ("behavior_rho_difference", "odd_one_out_difference"):
        row = summary.loc[(metric, "behavior - clip")]
        assert row["low"] > 0
        assert not row["p"] > 0.05


def test_a_model_undefined_up_to_onset_stays_so(study):
    frame = study[3]["behavior_course"]
    assert (frame["value"].isna() == (frame["time_ms"] <= 0)).all()
    assert (frame["low"].isna() == frame["value"].isna()).all()


@pytest.mark.parametrize("held_out", [True, False])
def test_rows_state_their_independence(held_out):
    models, judged = simulate(np.random.default_rng(1))
    tables = judges.evaluate(models, judged, Procedure("spearman", 10, 20, 0), images_held_out=held_out)
    trained, nothing = (held_out, held_out, False), (False, False, False)
    expected = {
        "clip": (True, True, True),
        **dict.fromkeys(["behavior", "group", *PEOPLE, "behavior - clip"], trained),
        **dict.fromkeys(["human", "embedding", "ceiling", "upper ceiling"], nothing),
        "another judge": (False, True, True),
    }
    # other judges, who are not others where it is the RDM of two halves of the judgements
    ceilings = {"behavior_rho": (False, True, False), "odd_one_out_accuracy": (False, True, True)}
    summary = tables["summary"]
    for metric, stated in ceilings.items():
        rows = summary[(summary["metric"] == metric) & (summary["model"] == "lower ceiling")]
        assert independence(rows) == [stated]
    for kind, column in {
        "behavior_rdm": "source",
        "behavior_course": "model",
        "odd_one_out": "model",
        "summary": "model",
    }.items():
        frame = tables[kind][tables[kind][column] != "lower ceiling"]
        assert independence(frame) == [expected[name] for name in frame[column]]


def test_human_rdms_are_compared_by_rank_whatever_brains_are():
    models, judged = simulate(np.random.default_rng(2))
    frames = [
        judges.evaluate(models, judged, Procedure(comparison, 10, 30, 0))["summary"]
        for comparison in ("spearman", "pearson", "cosine")
    ]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])


def test_judges_count_by_the_number_of_their_judgements():
    """The p is of the very difference that is reported: points, not each judge's share."""
    models, judged = simulate(np.random.default_rng(3), people=12, noise=3)
    # some judged little
    judged = replace(judged, triplets=judged.triplets.drop(index=range(0, 700, 12)))
    found = judges.evaluate(models, judged, PROCEDURE)
    row = found["summary"].set_index("metric").loc["odd_one_out_difference"]
    shares = found["odd_one_out"].dropna(subset="judge").set_index(["model", "judge"])
    points = shares["value"] * shares["judgements"]
    gains = (points["behavior"] - points["clip"]).to_numpy()
    assert row["value"] == pytest.approx(gains.sum() / len(judged.triplets))
    expected = permutation_test((gains,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert row["p"] == pytest.approx(expected.pvalue)


def test_without_repeated_judgements_there_is_no_ceiling(caplog):
    models, judged = simulate(np.random.default_rng(4), repetitions=1)
    found = judges.evaluate(models, judged, PROCEDURE)
    accuracies = found["summary"].query("metric == 'odd_one_out_accuracy'")["model"]
    assert not accuracies.str.contains("ceiling|another").any()
    assert "without a human ceiling: no triplet was judged by two people" in caplog.text


def test_nothing_is_found_where_there_is_nothing():
    random = np.random.default_rng(5)
    tests = [
        ("behavior_rho", "clip"),
        ("behavior_rho", "behavior"),
        ("behavior_rho_difference", "behavior - clip"),
        ("odd_one_out_accuracy", "behavior"),
        ("odd_one_out_accuracy", "group"),
    ]
    rows = []
    for _ in range(25):
        models, judged = simulate(random, signal=False)
        some = {name: models[name] for name in ("clip", "behavior", "group")}
        found = judges.evaluate(some, judged, Procedure("spearman", 10, 60, 0))["summary"]
        rows.append(found.set_index(["metric", "model"]).loc[tests, "p"])
    assert (np.sum(np.array(rows) <= 0.05, axis=0) <= binom.ppf(0.9999, 25, 0.05)).all()


def test_models_of_other_pictures_are_refused():
    models, judged = simulate(np.random.default_rng(6))
    turned = models | {"clip": models["clip"].of(STIMULI[::-1])}
    with pytest.raises(ValueError, match="RDMs of clip have other stimuli"):
        judges.evaluate(turned, judged, PROCEDURE)


def test_models_over_time_only_from_onset_on():
    """Embeddings of models over time begin after onset; so does their course."""
    models, judged = simulate(np.random.default_rng(7))
    models["group"] = embedding(pictures(np.random.default_rng(8))).rdms(STIMULI)
    some = {name: models[name] for name in ("clip", "behavior", "group")}
    found = judges.evaluate(some, judged, PROCEDURE)["behavior_course"]
    assert found["time_ms"].tolist() == RESPONSE.tolist()
    assert found["value"].notna().all()


def as_pairs(rdms):
    """Table of an RDM as it is read from a file: pairs in any order, either of a pair first."""
    rows, columns = rdm.pair_indices(len(rdms.stimuli))
    named = np.array(rdms.stimuli)
    frame = pd.DataFrame({"first": named[columns], "second": named[rows], "value": rdms.values[0]})
    return frame.sample(frac=1, random_state=0)


def without_triplets(seed, **given):
    models, judged = simulate(np.random.default_rng(seed), **given)
    return models, replace(judged, triplets=None, pairs=as_pairs(judged.human())), judged


def test_an_rdm_in_place_of_judgements_gives_what_can_be_had_from_it(tmp_path):
    models, of_pairs, of_triplets = without_triplets(9)
    found, whole = (judges.evaluate(models, one, PROCEDURE) for one in (of_pairs, of_triplets))
    assert set(accepted(found, tmp_path)) == {"behavior_rdm", "behavior_course", "summary"}
    for kind in ("behavior_rdm", "behavior_course"):
        pd.testing.assert_frame_equal(found[kind], whole[kind])
    agreement = whole["summary"]["metric"].str.startswith("behavior_rho")
    ceilings = whole["summary"]["model"].str.contains("lower|upper")
    # nobody knows how sure an RDM is, nor whose it is
    expected = whole["summary"][agreement & ~ceilings].assign(people=0).reset_index(drop=True)
    pd.testing.assert_frame_equal(found["summary"], expected)


def test_an_rdm_beside_judgements_is_what_models_are_compared_with_and_has_no_ceiling_from_them():
    models, of_pairs, of_triplets = without_triplets(10)
    turned = of_pairs.pairs.assign(value=1 - of_pairs.pairs["value"])
    both = judges.evaluate(models, replace(of_triplets, pairs=turned), PROCEDURE)
    alone = judges.evaluate(models, of_triplets, PROCEDURE)
    pd.testing.assert_frame_equal(both["odd_one_out"], alone["odd_one_out"])
    rho = [one["summary"].set_index(["metric", "model"])["value"] for one in (both, alone)]
    assert rho[0]["behavior_rho", "behavior"] == pytest.approx(-rho[1]["behavior_rho", "behavior"])
    assert ("behavior_rho", "lower ceiling") not in rho[0]


def test_without_an_embedding_its_rows_alone_are_missing():
    models, judged = simulate(np.random.default_rng(11))
    found, whole = (judges.evaluate(models, one, PROCEDURE) for one in (replace(judged, embedding=None), judged))
    for kind in ("behavior_rdm", "behavior_course", "odd_one_out", "summary"):
        rest = whole[kind]
        if "model" in rest:
            rest = rest[~rest["model"].isin(["embedding", "ceiling"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(found[kind], rest)


def test_images_that_nobody_judged_are_left_out(caplog):
    models, judged = simulate(np.random.default_rng(12))
    some = list(STIMULI[:3] + STIMULI[5:10])
    columns = ["first", "second", "odd"]
    few = judged.triplets[judged.triplets[columns].isin(some).all(axis=1)]
    among = Judged.among(STIMULI, triplets=few, embedding=judged.embedding)
    assert list(among.stimuli) == some
    assert "people judged 8 of 14 test images" in caplog.text
    assert len(among.by_choice()["embedding"].stimuli) == 8
    found = judges.evaluate({name: one.of(some) for name, one in models.items()}, among, PROCEDURE)
    assert set(found["summary"]["images"]) == {8}


def test_pairs_without_a_judgement_are_counted():
    models, judged = simulate(np.random.default_rng(13))
    together = judged.triplets[["first", "second", "odd"]].isin(STIMULI[:2]).sum(axis=1) == 2
    gap = Judged.among(STIMULI, triplets=judged.triplets[~together])
    with pytest.raises(ValueError, match="1 of 91 pairs of stimuli occur in no triplet: add judgements of them, or"):
        judges.evaluate(models, gap, PROCEDURE)
    with pytest.raises(ValueError, match="human RDM lacks 1 of the 91 pairs of 14 stimuli: add them"):
        Judged.among(STIMULI, pairs=as_pairs(judged.human()).iloc[1:]).human()


def test_judgements_of_hardly_any_image_are_refused():
    _, judged = simulate(np.random.default_rng(14))
    few = judged.triplets[judged.triplets[["first", "second", "odd"]].isin(STIMULI[:3]).all(axis=1)]
    with pytest.raises(ValueError, match="people judged 3 of 14 test images: give judgements"):
        Judged.among(STIMULI, triplets=few)


def test_an_embedding_of_other_images_is_no_ceiling(caplog):
    _, judged = simulate(np.random.default_rng(15))
    found = Judged.among(STIMULI, triplets=judged.triplets, embedding=judged.embedding.iloc[1:])
    assert found.by_dimensions() == {}
    assert "embedding lacks images that were judged" in caplog.text
