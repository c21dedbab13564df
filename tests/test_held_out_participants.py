"""Group models against people whom they have not seen, beside the model that has and models of nobody."""

import numpy as np
import pytest
from scipy.stats import permutation_test

from cliphba.evaluate.alignment import measure
from cliphba.evaluate.findings import LABELS, Procedure
from cliphba.evaluate.held_out_participants import HELD_OUT, compare
from cliphba.tables import COLUMNS, RDMs

TIMES = np.array([-20.0, 20.0, 40.0])
STIMULI = tuple(f"picture-{number}" for number in range(12))
PAIRS = len(STIMULI) * (len(STIMULI) - 1) // 2
PEOPLE = [f"sub-{number:02d}" for number in range(1, 7)]


def found(participants=PEOPLE, *, known=0.5):
    """Everybody shares a geometry; the study's own group model knows some of each person's own, too."""
    random = np.random.default_rng(0)
    shared = random.random(PAIRS)
    own = {name: random.random(PAIRS) for name in participants}

    def rdms(values, noise=0.2):
        return RDMs(TIMES, (values + noise * random.random((len(TIMES), PAIRS))).astype(np.float32), STIMULI)

    targets = {name: rdms(shared + own[name]) for name in participants}
    models = {
        "clip": rdms(random.random(PAIRS)),
        "behavior": rdms(shared, noise=2),
        "group": rdms(shared + known * sum(own.values()) / len(own)),
        **{name: rdms(shared) for name in participants},
    }
    return models, targets


def table_of(study, **settings):
    models, targets = study
    given = {"group_participants": list(targets), "images_held_out": True} | settings
    return compare(models, targets, Procedure("spearman", 50, 100, 0), **given)


def test_each_participant_has_the_model_that_has_not_seen_them():
    study = found()
    table, alignments = table_of(study), measure(*study, resamples=0, seed=0)
    assert list(table.columns) == list(COLUMNS["held_out_participants"])
    assert set(table["people"]) == {len(PEOPLE)}
    held_out = table[(table["model"] == HELD_OUT) & table["participant"].notna()].set_index("participant")
    for index, name in enumerate(PEOPLE):
        area = alignments.area(alignments.rho[name].value[index])
        assert held_out.loc[name, "value"] == pytest.approx(area)


def test_differences_are_paired_and_tested_over_people():
    table = table_of(found())
    difference = table[table["model"] == f"{HELD_OUT} - clip"]
    each = difference.loc[difference["participant"].notna(), "value"].to_numpy()
    mean = difference[difference["participant"].isna()].iloc[0]
    areas = table[(table["metric"] == "alignment_auc") & table["participant"].isna()].set_index("model")["value"]
    assert mean["value"] == pytest.approx(each.mean()) == pytest.approx(areas[HELD_OUT] - areas["clip"])
    oracle = permutation_test((each,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert mean["p_people"] == pytest.approx(oracle.pvalue) == 2 / 64
    assert (mean["p"], mean["test"]) == (1 / 100, LABELS)
    assert mean["low"] > 0


def test_a_model_that_has_seen_people_is_not_independent_of_them():
    table = table_of(found(), group_participants=PEOPLE[1:])
    people = table.set_index(["model", "participant"])["independent_people"]
    for model in ("group", f"{HELD_OUT} - group"):
        assert people[model, "sub-01"]
        assert not people[model, "sub-02"]
    strangers = table[~table["model"].isin(["group", f"{HELD_OUT} - group"])]
    assert strangers["independent_people"].all()
    assert table["independent_data"].all()
    assert not table_of(found(), images_held_out=False)["independent_images"].any()


def test_three_people_are_too_few_for_a_p_over_people():
    table = table_of(found(PEOPLE[:3]))
    assert table["p_people"].isna().all()
    assert (table["p"].notna() == table["participant"].isna()).all()
    assert (table["low"] <= table["value"] + 1e-9).all()


def test_a_group_model_that_learnt_nothing_from_a_person_is_no_worse_without_them():
    table = table_of(found(known=0))
    mean = table[(table["model"] == f"{HELD_OUT} - group") & table["participant"].isna()].iloc[0]
    assert mean["low"] < 0 < mean["high"]
    assert mean["p"] > 0.05
