"""The summary: every promised row, its numbers those of the parts, and nothing found where there is nothing."""

import numpy as np
import pytest

from cliphba import rdm, tables
from cliphba.evaluate import alignment, behavior, personal, summary

TIMES = np.arange(-40.0, 121.0, 20.0)
STATIC = np.array([np.nan])
STIMULI = tuple(f"image-{index}" for index in range(24))
PARTICIPANTS = tuple(f"sub-{index:02d}" for index in range(1, 6))


def response(random, gains):
    """RDM time course of a brain: nothing up to onset, then the geometry of weighted factors."""
    factors = np.random.default_rng(100).normal(size=(24, 12))
    after = rdm.correlation_distance(factors * gains)[None] * (TIMES > 0)[:, None]
    return after + 0.3 * random.normal(size=(len(TIMES), after.shape[1]))


def as_rdms(values, times=TIMES):
    return tables.RDMs(times, values.astype(np.float32), STIMULI)


def undefined_before_onset(values):
    return as_rdms(np.where((TIMES > 0)[:, None], values, np.nan))


def evaluate(signal):
    """Evaluate a study of five people who differ (`signal` 1), or of noise alone (0)."""
    random = np.random.default_rng(7)
    gains = np.exp(0.8 * random.normal(size=(5, 12)))

    def noise():
        return random.normal(size=(len(TIMES), 276))

    halves = [{p: (response(random, g) if signal else noise()) for p, g in zip(PARTICIPANTS, gains, strict=True)}
              for _ in range(2)]  # fmt: skip
    truth = response(random, np.ones(12))[-1:] if signal else noise()[:1]
    static = {"clip": as_rdms(noise()[:1], STATIC), "behavior": as_rdms(truth, STATIC)}
    group = undefined_before_onset(np.mean(list(halves[0].values()), axis=0))
    models = static | {"group": group} | {p: undefined_before_onset(one) for p, one in halves[0].items()}
    training, test = ({p: as_rdms(one) for p, one in half.items()} for half in halves)
    return summary.Evaluation(
        behavior=behavior.agree(
            static | {"ceiling": static["behavior"]}, as_rdms(truth + 0.1, STATIC), resamples=100, seed=1
        ),
        models=alignment.measure(models, test, resamples=100, seed=1),
        ceilings=alignment.noise_ceiling(test, resamples=100, seed=1),
        halves=alignment.measure(training, test, resamples=100, seed=1),
    )


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(signal=1)


@pytest.fixture(scope="module")
def frame(evaluation):
    return summary.assemble(evaluation, seed=1)


def test_every_promised_row_is_there(frame):
    found = frame.groupby("metric", sort=False)["model"].agg(list).to_dict()
    assert found == {
        "behavior_rho": ["clip", "behavior", "ceiling"],
        "behavior_rho_difference": ["behavior - clip"],
        "alignment_auc": ["clip", "behavior", "group", "lower ceiling", "upper ceiling"],
        "alignment_auc_difference": ["group - clip", "group - behavior"],
        "baseline_rho": ["clip", "behavior"],
        "own_alignment_auc": list(PARTICIPANTS),
        "own_alignment_gain": ["personal - group"],
        "identification_accuracy": ["personal", "model-free"],
        "identification_margin": ["personal", "model-free"],
    }


def test_it_is_a_valid_table(frame, tmp_path):
    tables.write(frame, tmp_path / "summary.parquet", "summary")
    found = tables.read(tmp_path / "summary.parquet", "summary")
    assert found["participant"].notna().tolist() == (found["metric"] == "own_alignment_auc").tolist()
    assert found["p"].notna().tolist() == found["metric"].str.startswith("identification").tolist()
    assert found[["value", "low", "high", "varies", "independent"]].notna().all(axis=None)
    assert (found["low"] <= found["high"]).all()


def test_numbers_are_those_of_the_parts(frame, evaluation):
    def value(metric, model):
        return frame.query("metric == @metric and model == @model")["value"].item()

    curve = evaluation.models.mean("group").value
    assert value("alignment_auc", "group") == pytest.approx(np.trapezoid(curve[3:], TIMES[3:]))
    difference = value("alignment_auc", "group") - value("alignment_auc", "clip")
    assert value("alignment_auc_difference", "group - clip") == pytest.approx(difference)
    own = np.array([value("own_alignment_auc", name) for name in PARTICIPANTS])
    assert value("own_alignment_gain", "personal - group") == pytest.approx(
        own.mean() - value("alignment_auc", "group")
    )
    baseline = evaluation.models.rho["clip"].value[:, :3].mean()
    assert value("baseline_rho", "clip") == pytest.approx(baseline)
    matrix = personal.similarity(evaluation.models).value
    assert value("identification_margin", "personal") == pytest.approx(personal.margin(matrix))


def test_what_was_put_in_is_found(frame):
    rows = frame.set_index(["metric", "model"])
    assert rows.loc[("alignment_auc_difference", "group - clip"), "low"] > 0
    assert rows.loc[("behavior_rho_difference", "behavior - clip"), "low"] > 0
    assert (rows.loc["identification_margin", "p"] < 0.05).all()
    for model in ("clip", "behavior"):
        baseline = rows.loc[("baseline_rho", model)]
        assert baseline["low"] < 0 < baseline["high"]


def test_nothing_is_found_in_noise():
    rows = summary.assemble(evaluate(signal=0), seed=1).set_index(["metric", "model"])
    assert (rows.loc["identification_margin", "p"] > 0.05).all()
    for metric in ("alignment_auc", "alignment_auc_difference"):
        chance = rows.loc[metric].drop(index="upper ceiling", errors="ignore")
        assert ((chance["low"] < 0) & (chance["high"] > 0)).all()


def test_claims_say_what_they_are_independent_of(evaluation):
    frame = summary.assemble(evaluation, seed=1, unit="trials").set_index(["metric", "model"])
    assert frame.loc[("alignment_auc", "group"), "independent"] == "images, trials"
    assert frame.loc[("identification_margin", "model-free"), "independent"] == "trials"
    assert frame.loc[("behavior_rho", "clip"), "independent"] == "images"
