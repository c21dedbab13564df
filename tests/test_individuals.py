"""Personal models: people who differ are identified, people who do not are not, whatever their number."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, false_discovery_control, spearmanr

from cliphba.evaluate import individuals, personal
from cliphba.evaluate.findings import (
    ASSIGNMENT,
    IMAGES,
    LABELS,
    PEOPLE_AND_IMAGES,
    PEOPLE_LABELS,
    Independence,
    Procedure,
)
from cliphba.evaluate.individuals import People
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
    recording,
    reweighting,
    series,
)

AFTER = TIMES > 0
WHOSE = Independence(images=True, data=True, people=False)


def simulate(random, people, *, differ=1.0, noise=0.2, models=0.1):
    """People who weigh the dimensions of pictures in their own way, and models of them."""
    positions, who = pictures(random), names(people)
    own = positions * np.exp(differ * random.normal(size=(people, 1, len(DIMENSIONS))))
    halves = [
        {name: recording(random, geometry(one), noise=noise) for name, one in zip(who, own, strict=True)}
        for _ in range(2)
    ]
    learnt = own + models * random.normal(size=own.shape)
    blocks = np.exp(random.normal(size=(people, len(RESPONSE), 3)))
    return People(
        embeddings={name: embedding(one) for name, one in zip(who, learnt, strict=True)},
        group=series(positions + models * random.normal(size=positions.shape)),
        measured=halves[0],
        other_half=halves[1],
        reweighting=reweighting(blocks / blocks.sum(-1, keepdims=True), who),
    )


def evaluate(people, procedure=PROCEDURE):
    return individuals.evaluate(people, procedure, independence=WHOSE)


@pytest.fixture(scope="module", params=[3, 4, 5, 6])
def study(request, tmp_path_factory):
    """Number of people, what was simulated, and the tables, as they come back from disk."""
    people = simulate(np.random.default_rng(request.param), request.param)
    return request.param, people, accepted(evaluate(people), tmp_path_factory.mktemp("individuals"))


@pytest.fixture
def summary(study):
    return study[2]["summary"]


def everyone(summary):
    return summary[summary["participant"].isna()].set_index(["metric", "model"])


def each(summary, metric):
    return summary[summary["participant"].notna() & (summary["metric"] == metric)]


def test_every_promised_row_is_there(study, summary):
    people, _, tables = study
    found = everyone(summary).reset_index().groupby("metric")["model"].agg(list).to_dict()
    sources = ["personal", "model-free"]
    second_order = {"second_order_rho": sources} if people >= 5 else {}
    assert found == {
        "own_alignment_gain": ["personal - group"],
        **{f"identification_{name}": sources for name in ("accuracy", "margin", "rank")},
        **second_order,
    }
    counts = summary.dropna(subset="participant").groupby("metric").size().to_dict()
    assert counts == {
        "own_alignment_auc": people,
        "own_alignment_gain": people,
        "identification_margin": 2 * people,
    }
    assert set(summary["people"]) == {people}
    kinds = {"alignment", "contrast", "latency", "identification", "differences", "second_order", "summary"}
    assert set(tables) == kinds
    assert set(tables["latency"]["curve"]) == {"personal"}
    assert len(tables["second_order"]) == 3 * people * (people - 1) // 2
    assert len(tables["identification"]) == 2 * people**2


def test_what_was_exchanged_and_what_varies(study, summary):
    people, _, _ = study
    rows = everyone(summary)
    gain = rows.loc[("own_alignment_gain", "personal - group")]
    assert gain["test"] == LABELS
    assert np.isfinite(gain["p_people"]) == (people >= 6)
    assert gain["varies"] == PEOPLE_AND_IMAGES
    identification = rows.loc[["identification_accuracy", "identification_margin"]]
    if people >= personal.LEAST_PARTICIPANTS:
        assert (identification["test"] == ASSIGNMENT).all()
    else:
        assert identification[["test", "p"]].isna().all(axis=None)
    assert rows.loc["identification_rank", ["test", "p"]].isna().all(axis=None)
    if people >= 5:
        assert (rows.loc["second_order_rho", "test"] == PEOPLE_LABELS).all()
    assert (summary.query("metric != 'own_alignment_gain'")["varies"] == IMAGES).all()
    assert (summary.dropna(subset="participant")["varies"] == IMAGES).all()
    for metric in ("own_alignment_auc", "own_alignment_gain"):
        assert (each(summary, metric)["test"] == LABELS).all()
    assert each(summary, "identification_margin")["p"].isna().all()
    # p and the name of its test come together
    assert (summary["p"].notna() == summary["test"].notna()).all()


def test_q_is_that_of_scipy(summary):
    for metric in ("own_alignment_auc", "own_alignment_gain"):
        rows = each(summary, metric)
        np.testing.assert_allclose(rows["q"], false_discovery_control(rows["p"]))
    assert everyone(summary)["q"].isna().all()


def test_numbers_are_those_of_plain_loops(study, summary):
    _, people, tables = study
    models = {name: one.rdms(STIMULI).at(TIMES) for name, one in people.embeddings.items()}

    def align(model, one):
        return np.array([spearmanr(model.row(t), one.row(t))[0] for t in np.flatnonzero(AFTER)])

    curves = np.array([[align(models[p], people.measured[q]) for q in names(study[0])] for p in names(study[0])])
    matrix = curves.mean(-1)
    rows = everyone(summary)["value"]
    assert rows["identification_accuracy", "personal"] == pytest.approx(personal.accuracy(matrix))
    assert rows["identification_margin", "personal"] == pytest.approx(personal.margin(matrix))
    found = tables["identification"].query("source == 'personal'")["rho"].to_numpy().reshape(matrix.shape)
    np.testing.assert_allclose(found, matrix)
    areas = np.trapezoid(np.einsum("ppt->pt", curves), RESPONSE)
    group = np.trapezoid([align(people.group, people.measured[name]) for name in names(study[0])], RESPONSE)
    np.testing.assert_allclose(each(summary, "own_alignment_auc")["value"], areas)
    np.testing.assert_allclose(each(summary, "own_alignment_gain")["value"], areas - group)
    assert rows["own_alignment_gain", "personal - group"] == pytest.approx((areas - group).mean())


def test_people_are_identified(study, summary):
    people, _, _ = study
    rows = everyone(summary)
    # with few people, centring takes away much of what is one person's own
    assert (rows.loc["identification_accuracy", "value"] >= 0.75).all()
    assert (rows.loc["identification_rank", "value"] < 1.5).all()
    assert (rows.loc["identification_margin", "low"] > 0).all()
    if people >= personal.LEAST_PARTICIPANTS:
        assert (rows.loc["identification_margin", "p"] <= 0.05).all()
    assert (each(summary, "identification_margin")["low"] > 0).mean() > 0.7


def test_personal_models_gain_over_the_group_model(study, summary):
    gain = everyone(summary).loc[("own_alignment_gain", "personal - group")]
    # over three people hardly anything generalises
    assert gain["low"] > 0 or study[0] == 3
    assert (gain[["p", "p_people"]].dropna() <= 0.05).all()
    assert (each(summary, "own_alignment_auc")["q"] <= 0.05).all()
    over_time = study[2]["contrast"].query("participant.isna() and time_ms > 0")
    assert (over_time["p"] <= 0.05).any()


def test_second_order_agreement_is_high(study, summary):
    rows = everyone(summary).query("metric == 'second_order_rho'")
    assert len(rows) == (2 if study[0] >= 5 else 0)
    assert (rows["value"] > 0.5).all()
    assert (rows["p"] <= 0.05).all()


def test_p_over_time_is_that_of_the_own_participant(study):
    frame = study[2]["alignment"]
    own = (frame["model"] == frame["participant"]) & (frame["time_ms"] > 0)
    assert (frame["p"].notna() == own).all()
    assert (frame["rho"].isna() == (frame["time_ms"] <= 0)).all()


def test_differences_are_described_for_any_number_and_tested_for_enough(study):
    people, _, tables = study
    frame = tables["differences"]
    for aspect, least in {"time": personal.LEAST_PARTICIPANTS, "dimension": personal.LEAST_PARTICIPANTS}.items():
        rows = frame[frame["aspect"] == aspect]
        assert rows[["value", "low", "high"]].notna().all(axis=None)
        assert (rows["p"].notna() == (people >= least)).all()
    quantities = set(frame.loc[frame["aspect"] == "block", "quantity"])
    assert quantities == {"spread of weights"} | ({"agreement with held-out MEG"} if people >= 5 else set())


def test_rows_state_their_independence(study):
    tables = study[2]
    other, nothing = (False, True, False), (False, False, False)
    own = tuple(WHOSE.columns().values())
    assert set(independence(tables["alignment"]) + independence(tables["contrast"])) == {own}
    for kind, column in {"summary": "model", "identification": "source"}.items():
        frame = tables[kind]
        assert independence(frame) == [other if name == "model-free" else own for name in frame[column]][: len(frame)]
    spaces = {"models": own, "MEG": nothing, "MEG, other half": other}
    assert independence(tables["second_order"]) == [spaces[name] for name in tables["second_order"]["space"]]
    quantity = tables["differences"]["quantity"]
    assert independence(tables["differences"]) == [nothing if one == "spread of weights" else own for one in quantity]


def test_participants_may_come_in_any_order():
    people = simulate(np.random.default_rng(20), 5)
    turned = replace(
        people,
        embeddings={name: people.embeddings[name] for name in reversed(people.embeddings)},
        other_half={name: people.other_half[name] for name in reversed(people.other_half)},
        reweighting=people.reweighting.iloc[::-1],
    )
    first, second = (evaluate(one, Procedure("spearman", 20, 40, 0)) for one in (people, turned))
    for kind, frame in first.items():
        numbers = frame.select_dtypes("number").columns
        np.testing.assert_allclose(frame[numbers], second[kind][numbers], atol=1e-9)


@pytest.mark.parametrize("comparison", ["pearson", "cosine"])
def test_other_comparisons(comparison, tmp_path):
    people = simulate(np.random.default_rng(21), 4)
    found = accepted(evaluate(people, Procedure(comparison, 20, 60, 0)), tmp_path)["summary"]
    assert everyone(found).loc[("identification_margin", "personal"), "p"] <= 0.05
    assert (each(found, "own_alignment_auc")["p"] <= 0.05).all()


def test_nobody_is_identified_where_nobody_differs():
    random = np.random.default_rng(22)
    tests = [
        ("identification_accuracy", "personal"),
        ("identification_margin", "personal"),
        ("identification_margin", "model-free"),
        ("second_order_rho", "personal"),
        ("second_order_rho", "model-free"),
        ("own_alignment_gain", "personal - group"),
    ]
    rows = []
    for _ in range(15):
        people = simulate(random, 5, differ=0, noise=0.5, models=0.3)
        found = everyone(evaluate(people, Procedure("spearman", 10, 120, 0))["summary"])
        rows.append(found.loc[tests, "p"].to_numpy())
    assert (np.sum(np.array(rows) <= 0.05, axis=0) <= binom.ppf(0.9999, 15, 0.05)).all()


def test_a_participant_without_model_is_named():
    people = simulate(np.random.default_rng(23), 3)
    without = replace(people, embeddings={name: people.embeddings[name] for name in names(3)[:2]})
    with pytest.raises(ValueError, match="participant sub-01 has no personal model: train one"):
        evaluate(without)


@pytest.mark.parametrize("number", [3, 5])
def test_without_another_half_only_what_it_predicts_is_missing(number, tmp_path):
    people = simulate(np.random.default_rng(24), number)
    procedure = Procedure("spearman", 10, 40, 0)
    whole, without = (evaluate(one, procedure) for one in (people, replace(people, other_half=None)))
    assert set(accepted(without, tmp_path)) == set(whole)
    for kind, column, other in (
        ("summary", "model", "model-free"),
        ("identification", "source", "model-free"),
        ("second_order", "space", "MEG, other half"),
    ):
        rest = whole[kind][whole[kind][column] != other].reset_index(drop=True)
        assert len(rest) < len(whole[kind])
        pd.testing.assert_frame_equal(without.pop(kind), rest)
    # recordings that models were trained on, if on other images of theirs, are not held out
    told = whole["differences"]["quantity"].replace("agreement with held-out MEG", "agreement with MEG")
    whole["differences"] = whole["differences"].assign(quantity=told)
    for kind, frame in without.items():
        pd.testing.assert_frame_equal(frame, whole[kind])
