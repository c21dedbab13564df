"""Time generalisation: by hand, planted likeness found, none where model and brain generalise differently."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from cliphba import rdm, tables
from cliphba.evaluate import generalisation
from cliphba.evaluate.findings import Independence, Procedure
from cliphba.evaluate.generalisation import ACROSS, MEG, SAME_MEG
from tests.planted import PROCEDURE, RESPONSE, STIMULI, TIMES, accepted, geometry, independence, names, pictures

TRAINED = Independence(images=True, data=True, people=False)
#: Which of three geometries there is at each of the six times after onset: one comes back.
RETURNING, OTHER = (0, 0, 1, 1, 0, 0), (0, 1, 1, 2, 2, 2)


def simulate(seed, *, plan=RETURNING, model_plan=RETURNING, people=3, noise=1.0, shuffled=False):
    """Brains that have geometries one after another, in two halves of the data, and a model with its own plan."""
    random = np.random.default_rng(seed)
    stages = np.stack([rdm.standardise(geometry(pictures(random))) for _ in range(3)]) * 9
    silence = np.zeros((len(TIMES) - len(RESPONSE), stages.shape[1]))
    brain = np.concatenate([silence, stages[list(plan)]])

    def measure():
        values = brain + noise * random.normal(size=brain.shape)
        return tables.RDMs(TIMES, values.astype(np.float32), STIMULI)

    model = tables.RDMs(RESPONSE, stages[list(model_plan)].astype(np.float32), STIMULI).at(TIMES)
    if shuffled:
        order = np.random.default_rng(seed).permutation(STIMULI).tolist()
        model = replace(model.of(order), stimuli=STIMULI)
    return model, *({name: measure() for name in names(people)} for _ in range(2))


def evaluate(simulated, procedure=PROCEDURE):
    return generalisation.evaluate(*simulated, procedure, independence=TRAINED)


def matrices(found):
    return {
        source: rows.pivot(index="time_ms", columns="other_time_ms", values="value").to_numpy()
        for source, rows in found["generalisation"].groupby("source")
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    simulated = simulate(0)
    return simulated, accepted(evaluate(simulated), tmp_path_factory.mktemp("generalisation"))


def test_matrices_are_those_of_plain_loops(study):
    (model, measured, other), found = study
    shown, people = matrices(found), list(measured)
    early, late = 6, 8

    def between(first, second):
        return spearmanr(first, second)[0]

    assert shown["group"][early, late] == pytest.approx(between(model.row(early), model.row(late)), abs=1e-6)
    halves = [
        between(measured[name].row(one), other[name].row(two))
        for name in people
        for one, two in ((early, late), (late, early))
    ]
    assert shown[MEG][early, late] == pytest.approx(np.mean(halves), abs=1e-6)
    # the model's time first
    across = [between(model.row(early), measured[name].row(late)) for name in people]
    assert shown[ACROSS][early, late] == pytest.approx(np.mean(across), abs=1e-6)


def test_the_diagonal_of_recordings_is_reliability_not_one(study):
    diagonal = np.diagonal(matrices(study[1])[MEG])
    assert abs(diagonal[TIMES <= 0]).max() < 0.2
    assert (diagonal[TIMES > 0] > 0.2).all()
    assert (diagonal < 0.9).all()


def test_a_model_has_no_values_up_to_onset(study):
    shown = matrices(study[1])
    assert np.isnan(shown["group"]).sum() == len(TIMES) ** 2 - len(RESPONSE) ** 2
    assert (np.isnan(shown[ACROSS]).all(axis=1) == (TIMES <= 0)).all()
    assert np.isfinite(shown[MEG]).all()


def test_what_is_peculiar_by_hand():
    """Two times apart by one step: 3 and 5, mean 4; by two: one value, which is its own mean."""
    found = generalisation.peculiar(np.array([[1.0, 3, 9], [3, 1, 5], [9, 5, 1]]))
    assert found.tolist() == [-1, 1, 0]


def test_a_geometry_that_only_fades_has_nothing_peculiar():
    steps = np.arange(5)
    assert not generalisation.peculiar(np.exp(-abs(steps[:, None] - steps))).any()


def test_planted_likeness_is_found(study):
    summary = study[1]["summary"].set_index("model")
    assert summary.loc["group", "value"] > 0.8
    assert summary.loc["group", "low"] > 0
    assert summary.loc["lower ceiling", "value"] < summary.loc["upper ceiling", "value"]
    assert independence(study[1]["summary"]) == [(True, True, False), (False, True, True), (False, False, False)]


def test_the_value_is_a_mean_over_participants_of_plain_correlations():
    model, measured, other = simulate(1)
    after = TIMES > 0
    own = generalisation.peculiar(np.asarray(spearmanr(model.values[after], axis=1)[0]))
    expected = []
    for name in measured:
        whole = spearmanr(measured[name].values[after], other[name].values[after], axis=1)[0]
        halves = whole[: len(RESPONSE), len(RESPONSE) :]
        expected.append(np.corrcoef(own, generalisation.peculiar((halves + halves.T) / 2))[0, 1])
    found = evaluate((model, measured, other))["summary"].set_index("model").loc["group", "value"]
    assert found == pytest.approx(np.mean(expected), abs=1e-5)


def test_another_course_is_not_alike():
    found = evaluate(simulate(2, model_plan=OTHER))["summary"].set_index("model").loc["group"]
    assert found["value"] < 0.3


def test_brains_without_signal_are_like_nothing():
    found = [evaluate(simulate(seed, noise=1e3), Procedure("spearman", 60, 20, 0))["summary"] for seed in range(10)]
    rows = [one.set_index("model").loc["group"] for one in found]
    assert np.mean([row["low"] < 0 < row["high"] for row in rows]) >= 0.8
    assert abs(np.mean([row["value"] for row in rows])) < 0.2


def test_shuffled_images_generalise_alike_but_have_nothing_in_common():
    """Likeness says nothing of what the geometry is; the model against the recordings does."""
    straight, shuffled = (evaluate(simulate(4, shuffled=one)) for one in (False, True))
    values = [one["summary"].set_index("model").loc["group", "value"] for one in (straight, shuffled)]
    assert values[0] == pytest.approx(values[1])
    strength = [np.nanmean(np.abs(np.diagonal(matrices(one)[ACROSS]))) for one in (straight, shuffled)]
    assert strength[1] < 0.3 * strength[0]


def test_one_participant_is_refused():
    with pytest.raises(ValueError, match="two or more participants"):
        evaluate(simulate(5, people=1))


def test_without_halves_recordings_stand_against_themselves_and_say_so(study):
    (model, measured, _), whole = study
    found = evaluate((model, measured, None))
    shown, before = matrices(found), matrices(whole)
    assert set(shown) == {"group", SAME_MEG, ACROSS}
    np.testing.assert_allclose(np.diagonal(shown[SAME_MEG]), 1)
    for source in ("group", ACROSS):
        np.testing.assert_array_equal(shown[source], before[source])
    early, late = 6, 8
    expected = [spearmanr(one.row(early), one.row(late))[0] for one in measured.values()]
    assert shown[SAME_MEG][early, late] == pytest.approx(np.mean(expected), abs=1e-6)
    rows = found["generalisation"]
    assert independence(rows[rows["source"] == SAME_MEG]) == [(False, False, False)] * len(TIMES) ** 2
    assert found["summary"].set_index("model").loc["group", "low"] > 0


def test_noise_that_lasts_is_not_taken_for_likeness_where_there_are_no_halves():
    """Recordings of nothing, whose noise fades over three samples, and a model whose geometry comes back."""
    values = []
    for seed in range(12):
        model, measured, _ = simulate(seed, noise=0)
        random = np.random.default_rng(seed)
        silent = {}
        for name, one in measured.items():
            white = random.normal(size=(len(TIMES) + 2, one.values.shape[1]))
            silent[name] = replace(one, values=(white[2:] + white[1:-1] + white[:-2]).astype(np.float32))
        found = evaluate((model, silent, None), Procedure("spearman", 10, 20, 0))["summary"].set_index("model")
        values.append(found.loc["group", "value"])
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert np.mean(values) < 0.2
