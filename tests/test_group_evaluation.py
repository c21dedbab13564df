"""Models against everybody's recordings: known truth, chance, and tables for few and for many people."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, spearmanr

from cliphba.evaluate import group
from cliphba.evaluate.findings import LABELS, PEOPLE_AND_IMAGES, Independence, Procedure
from tests.planted import (
    PROCEDURE,
    STIMULI,
    TIMES,
    accepted,
    geometry,
    independence,
    names,
    pictures,
    recording,
    series,
    static,
)

AFTER = TIMES > 0
#: What the scripts say of models, and of a group model of people who are in the group.
SOURCES = {
    "clip": Independence(images=True, data=True, people=True),
    "behavior": Independence(images=True, data=True, people=True),
    "group": Independence(images=True, data=True, people=False),
}


def simulate(random, people, *, signal=True, noise=0.3):
    """Brains that weigh dimensions as all do; CLIP that knows nothing of them, Behavior half, and the group model."""
    positions, blurred, unrelated = (pictures(random) for _ in range(3))
    brain = geometry(positions) if signal else np.zeros(91)
    halves = [{name: recording(random, brain, noise=noise) for name in names(people)} for _ in range(2)]
    models = {
        "clip": static(geometry(unrelated)),
        "behavior": static(geometry(positions + blurred)),
        "group": series(positions + 0.1 * blurred),
    }
    return models, *halves


def evaluate(simulated, procedure=PROCEDURE):
    return group.evaluate(*simulated, procedure, independence=SOURCES)


@pytest.fixture(scope="module", params=[3, 5, 6])
def study(request, tmp_path_factory):
    """Number of people, what was simulated, and the tables, as they come back from disk."""
    simulated = simulate(np.random.default_rng(request.param), request.param)
    return request.param, simulated, accepted(evaluate(simulated), tmp_path_factory.mktemp("group"))


@pytest.fixture
def summary(study):
    return study[2]["summary"].set_index(["metric", "model"])


def test_every_promised_row_is_there(study):
    people, _, tables = study
    found = tables["summary"].groupby("metric", sort=False)["model"].agg(list).to_dict()
    assert found == {
        "alignment_auc": ["clip", "behavior", "group", "lower ceiling", "upper ceiling"],
        "alignment_auc_difference": ["group - clip", "group - behavior"],
        "baseline_rho": ["clip", "behavior"],
    }
    assert set(tables) == {"alignment", "contrast", "ceiling", "latency", "summary"}
    assert (set(tables["summary"]["images"]), set(tables["summary"]["people"])) == ({len(STIMULI)}, {people})
    rows = (people + 1) * len(TIMES)
    assert tables["alignment"].groupby("model").size().to_dict() == dict.fromkeys(SOURCES, rows)
    assert tables["contrast"].groupby("contrast").size().tolist() == [rows, rows]


def test_p_and_what_was_exchanged(study, summary):
    people, _, _ = study
    tested = summary.loc[["alignment_auc", "alignment_auc_difference"]].drop(
        index=["lower ceiling", "upper ceiling"], level="model"
    )
    assert (tested["test"] == LABELS).all()
    assert tested["p"].notna().all()
    # beside a p over images stands that over people, if there are enough
    assert (tested["p_people"].notna() == (people >= 6)).all()
    rest = summary.drop(index=tested.index)
    assert rest[["p", "p_people", "test"]].isna().all(axis=None)
    assert summary["q"].isna().all()
    assert (summary["varies"] == PEOPLE_AND_IMAGES).all()


def test_numbers_are_those_of_plain_loops(study, summary):
    _, (models, measured, _), tables = study

    def curve(model):
        rows = [model.row(t if len(model.times_ms) > 1 else 0) for t in range(len(TIMES))]
        return np.array([[spearmanr(row, one.row(t))[0] for t, row in enumerate(rows)] for one in measured.values()])

    curves = {name: curve(model) for name, model in models.items()}
    areas = {name: np.trapezoid(one[:, AFTER], TIMES[AFTER]).mean() for name, one in curves.items()}
    for name, area in areas.items():
        assert summary.loc[("alignment_auc", name), "value"] == pytest.approx(area)
    for other in ("clip", "behavior"):
        found = summary.loc[("alignment_auc_difference", f"group - {other}"), "value"]
        assert found == pytest.approx(areas["group"] - areas[other])
        assert summary.loc[("baseline_rho", other), "value"] == pytest.approx(curves[other][:, ~AFTER].mean())
    mean = tables["alignment"].query("model == 'group' and participant.isna()")["rho"]
    np.testing.assert_allclose(mean, curves["group"].mean(0))


def test_what_was_planted_is_found(study, summary):
    _, _, tables = study
    for model in ("behavior", "group"):
        assert (summary.loc[("alignment_auc", model), ["p", "p_people"]].dropna() <= 0.05).all()
    for contrast in group.CONTRASTS:
        row = summary.loc[("alignment_auc_difference", contrast)]
        assert (row[["p", "p_people"]].dropna() <= 0.05).all()
        assert row["low"] > 0
        over_time = tables["contrast"].query("contrast == @contrast and participant.isna() and time_ms > 0")
        assert (over_time["p"] <= 0.05).any()
    for model in ("clip", "behavior"):
        assert summary.loc[("baseline_rho", model), "low"] < 0 < summary.loc[("baseline_rho", model), "high"]


def test_only_means_after_onset_have_a_p(study):
    people, _, tables = study
    for kind in ("alignment", "contrast"):
        frame = tables[kind]
        expected = frame["participant"].isna() & (frame["time_ms"] > 0)
        assert (frame["p"].notna() == expected).all()
        assert (frame["p_people"].notna() == (expected & (people >= 6))).all()


def test_a_model_undefined_up_to_onset_stays_so(study):
    frame = study[2]["alignment"]
    undefined = frame["rho"].isna()
    assert (undefined == ((frame["model"] == "group") & (frame["time_ms"] <= 0))).all()
    assert (frame.loc[undefined, ["low", "high"]].isna()).all(axis=None)
    latency = study[2]["latency"].groupby("curve")["quantity"].agg(set).to_dict()
    assert latency == {
        **{name: {"onset", "peak"} for name in ("decoding", "clip", "behavior")},
        "group": {"peak"},
    }


def test_latencies_are_planted_ones(study):
    """Responses begin at the first sample after onset."""
    frame = study[2]["latency"]
    decoding = frame.query("curve == 'decoding' and quantity == 'onset' and participant.isna()")
    assert decoding["value"].item() == TIMES[AFTER][0]


def test_ceilings_enclose_the_true_model(study, summary):
    ceiling = summary.loc["alignment_auc", "value"]
    assert ceiling["lower ceiling"] < ceiling["upper ceiling"]
    assert ceiling["group"] < ceiling["upper ceiling"]
    rows = study[2]["ceiling"]
    assert set(rows["bound"]) == {"lower", "upper"}
    assert rows["participant"].nunique() == study[0]


def test_rows_state_their_independence(study):
    tables = study[2]
    stated = {name: tuple(one.columns().values()) for name, one in SOURCES.items()}
    expected = {
        **stated,
        "group - clip": (True, True, False),
        "group - behavior": (True, True, False),
        "decoding": (False, True, False),
        "lower ceiling": (False, True, True),
        "upper ceiling": (False, False, False),
    }
    for kind, column in {
        "alignment": "model",
        "contrast": "contrast",
        "latency": "curve",
        "summary": "model",
    }.items():
        frame = tables[kind]
        assert independence(frame) == [expected[name] for name in frame[column]]


def test_a_difference_is_as_independent_as_the_less_independent_model():
    sources = SOURCES | {"clip": Independence(images=False, data=True, people=True)}
    simulated = simulate(np.random.default_rng(7), 3)
    found = group.evaluate(*simulated, PROCEDURE, independence=sources)["summary"].set_index("model")
    assert not found.loc["group - clip", "independent_images"]
    assert found.loc["group - behavior", "independent_images"]


@pytest.mark.parametrize("comparison", ["pearson", "cosine"])
def test_other_comparisons(comparison, tmp_path):
    simulated = simulate(np.random.default_rng(8), 3)
    procedure = Procedure(comparison, 30, 100, 0)
    found = accepted(evaluate(simulated, procedure), tmp_path)["summary"].set_index(["metric", "model"])
    assert found.loc[("alignment_auc", "group"), "p"] <= 0.05
    # of cosines relabelling tests no difference
    p = found.loc[("alignment_auc_difference", "group - clip"), "p"]
    assert np.isnan(p) if comparison == "cosine" else p <= 0.05


def test_people_whom_the_group_model_has_not_seen_are_named():
    models, measured, other = simulate(np.random.default_rng(11), 3)
    stranger = list(measured)[1]
    tables = group.evaluate(
        models, measured, other, Procedure("spearman", 10, 20, 0), independence=SOURCES, unseen=[stranger]
    )
    frame = tables["alignment"].query("model == 'group'")
    assert (frame["independent_people"] == (frame["participant"] == stranger)).all()
    assert tables["latency"].query("curve == 'clip'")["independent_people"].all()


@pytest.mark.parametrize("people", [3, 6])
def test_nothing_is_found_where_there_is_nothing(people):
    random = np.random.default_rng(9)
    found = [evaluate(simulate(random, people, signal=False), Procedure("spearman", 30, 60, 0)) for _ in range(15)]
    summaries = [one["summary"].set_index(["metric", "model"]) for one in found]
    for kind in ("p", "p_people"):
        p = np.array([one.loc[["alignment_auc", "alignment_auc_difference"], kind].dropna() for one in summaries])
        assert (np.sum(p <= 0.05, axis=0) <= binom.ppf(0.9995, 15, 0.05)).all()
    rows = [one.loc[("alignment_auc_difference", "group - clip")] for one in summaries]
    assert np.mean([row["low"] < 0 < row["high"] for row in rows]) >= 0.8


def test_without_another_half_only_the_ceilings_of_single_people_are_missing():
    models, measured, other = simulate(np.random.default_rng(12), 3)
    procedure = Procedure("spearman", 10, 20, 0)
    whole, without = (
        group.evaluate(models, measured, half, procedure, independence=SOURCES) for half in (other, None)
    )
    mean = whole["ceiling"][whole["ceiling"]["participant"].isna()]
    pd.testing.assert_frame_equal(without.pop("ceiling"), mean.reset_index(drop=True))
    for kind, frame in without.items():
        pd.testing.assert_frame_equal(frame, whole[kind])


def test_models_of_other_pictures_are_refused():
    models, measured, other = simulate(np.random.default_rng(10), 3)
    turned = models | {"clip": models["clip"].of(STIMULI[::-1])}
    with pytest.raises(ValueError, match="RDMs of clip have other stimuli or another order"):
        evaluate((turned, measured, other))
