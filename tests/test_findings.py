"""Rows of the summary: what they say, and p values that stand side by side, against SciPy."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import (
    IMAGES,
    LABELS,
    Compared,
    Finding,
    Independence,
    Procedure,
    falsely_discovered,
    tabulate,
)
from tests.planted import accepted

NOTHING = Independence(images=False, data=False, people=False)
ESTIMATE = Estimate(np.array(0.5), np.linspace(0, 1, 41))


def finding(metric="margin", participant=None, p=np.nan):
    return Finding(metric, "model", ESTIMATE, IMAGES, NOTHING, participant, p=p, test=LABELS)


def test_independence_names_its_columns():
    found = Independence(images=True, data=False, people=True).columns()
    assert found == {"independent_images": True, "independent_data": False, "independent_people": True}


@pytest.mark.parametrize(
    ("first", "second"), list(itertools.combinations_with_replacement(itertools.product([0, 1], repeat=3), 2))
)
def test_two_are_independent_of_what_both_are(first, second):
    expected = Independence(*(bool(a and b) for a, b in zip(first, second, strict=True)))
    assert Independence(*map(bool, first)) & Independence(*map(bool, second)) == expected


@pytest.mark.parametrize(
    ("compared", "trained", "behavior"),
    [
        (Compared(True, "held_out"), (True, True, False), (True, True, True)),
        (Compared(False, "held_out"), (False, True, False), (False, True, True)),
        (Compared(True, "training"), (False, False, False), (False, True, True)),
        (Compared(True, "held_out", "runs"), (True, True, False), (True, True, True)),
        (Compared(True, "held_out", None), (True, False, False), (True, True, True)),
        (Compared(True, "training", None), (False, False, False), (False, True, True)),
    ],
)
def test_what_models_are_independent_of_follows_from_what_they_are_compared_with(compared, trained, behavior):
    assert (compared.of_trained, compared.of_behavior) == (Independence(*trained), Independence(*behavior))
    assert compared.split == ("test" if compared.evaluated_on == "held_out" else "train")


def test_where_no_recordings_stand_apart_every_row_says_so():
    tables = {
        "ceiling": pd.DataFrame(
            {"value": [1.0, 2.0], **Independence(images=False, data=True, people=True).columns()}
        ),
        "complexity": pd.DataFrame({"value": [1.0]}),
    }
    found = Compared(True, "held_out", None).stated(tables)
    expected = tables["ceiling"].assign(independent_data=False)
    pd.testing.assert_frame_equal(found["ceiling"], expected)
    assert "independent_data" not in found["complexity"]
    halves = Compared(True, "held_out", "trials").stated(tables)
    pd.testing.assert_frame_equal(halves["ceiling"], tables["ceiling"])


def test_procedure_gives_the_arguments_of_both_kinds_of_functions():
    procedure = Procedure("cosine", resamples=3, permutations=20, seed=7)
    assert procedure.bootstrap() == {"comparison": "cosine", "resamples": 3, "seed": 7}
    assert procedure.relabelling() == {"permutations": 20, "seed": 7}


def test_a_row_by_hand():
    row = Finding("auc", "group", ESTIMATE, IMAGES, NOTHING, "sub-01", p=0.04, test=LABELS).row()
    # 2.5 and 97.5 % of 41 equally spaced values, only such as occur
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.5, 0.025, 0.975))
    assert (row["metric"], row["model"], row["participant"]) == ("auc", "group", "sub-01")
    assert (row["varies"], row["p"], row["test"], row["independent_data"]) == (IMAGES, 0.04, LABELS, False)


def test_q_is_that_of_scipy_among_participants_with_the_same_metric():
    margins, areas = [0.04, 0.01, 0.3], [0.02, 0.5]
    findings = [finding("margin", p=0.001)]
    findings += [finding("margin", f"sub-{i}", p) for i, p in enumerate(margins)]
    findings += [finding("area", f"sub-{i}", p) for i, p in enumerate(areas)]
    frame = tabulate(findings, images=5, people=3)
    expected = [np.nan, *false_discovery_control(margins), *false_discovery_control(areas)]
    np.testing.assert_allclose(frame["q"], expected)


def test_untested_participants_do_not_count_among_the_tests():
    found = falsely_discovered(pd.Series([0.04, np.nan, 0.01], index=[5, 6, 9]))
    np.testing.assert_allclose(found, [0.04, np.nan, 0.02])
    assert found.index.tolist() == [5, 6, 9]
    assert falsely_discovered(pd.Series([np.nan, np.nan])).isna().all()


@pytest.mark.parametrize("participants", [[None, None], [None, "sub-01"], ["sub-01", "sub-02"]])
def test_it_is_a_valid_table(participants, tmp_path):
    frame = accepted(
        {"summary": tabulate([finding(participant=one) for one in participants], images=5, people=3)}, tmp_path
    )["summary"]
    assert (frame["images"].tolist(), frame["people"].tolist()) == ([5, 5], [3, 3])
    assert frame["participant"].notna().tolist() == [one is not None for one in participants]
    assert frame["q"].isna().all()
