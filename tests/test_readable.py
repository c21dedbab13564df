"""The main tables as people read them: from small tables made by hand to every cell that a reader sees."""

import html
import re

import numpy as np
import pandas as pd
import pytest

from cliphba import readable
from cliphba.evaluate import findings
from cliphba.figures.catalogue import MAIN_TABLES
from cliphba.figures.wording import HALVES

BOTH = {"independent_images": True, "independent_data": True, "independent_people": False}


def claim(metric, model, value, **more):
    """A row of a summary that was tested over images, unless told otherwise."""
    row = {"metric": metric, "model": model, "participant": None, "value": value, "low": value - 1, "high": value + 1}
    test = {"varies": findings.IMAGES, "p": 0.0004, "q": np.nan, "test": findings.LABELS, "p_people": np.nan,
            "images": 80, "people": 6}  # fmt: skip
    return {**row, **test, **BOTH, **more}


def cells(page):
    """What stands in the table of a page, row by row."""
    found = re.findall("<td>(.*?)</td>", page)
    return [html.unescape(cell).replace("\N{NO-BREAK SPACE}", " ") for cell in found]


def of_kind(kind, rows):
    frame = pd.DataFrame(rows)
    frame.attrs |= {"kind": kind}
    return frame


@pytest.fixture
def summary():
    people = {"varies": findings.PEOPLE_AND_IMAGES}
    return of_kind(
        "summary",
        [
            claim("own_alignment_gain", "sub-01", 2.26, participant="sub-01", p=0.0105, q=0.021),
            claim("alignment_auc", "group", 70.26, p_people=0.0312, **people),
            claim("odd_one_out_difference", "behavior - clip", 0.5, test=findings.JUDGE_SIGNS, p=0.25, **people)
            | {"people": 12},
            claim("alignment_auc", "lower ceiling", -0.26, p=np.nan, test=None, independent_images=False, **people),
            claim("latency_recovery", "factors", 0.5, test=findings.FACTOR_TRUTHS, independent_images=False,
                  independent_data=False),
        ],
    )  # fmt: skip


def test_every_cell_of_a_summary(summary):
    table = readable.arrange(summary, rows="each")
    expected = [
        ["Difference in odd one out (share right)", "Behavior model − CLIP", "0.50 [−0.50, 1.50]", "", "0.250",
         "images and people", "80 images, 12 judges", "images, data"],
        ["Alignment with MEG, area (ρ × ms)", "Group MEG model", "70.3 [69.3, 71.3]", "< 0.001", "0.031",
         "images and people", "80 images, 6 participants", "images, data"],
        ["", "Lower noise ceiling", "−0.3 [−1.3, 0.7]", "", "", "images and people", "80 images, 6 participants",
         "data"],
        ["Gain of own models over the group model, area (ρ × ms)", "sub-01", "2.3 [1.3, 3.3]", "0.011 (q 0.021)",
         "", "images", "80 images", "images, data"],
        ["Simulated latencies recovered (r)", "Differences between factors", "0.50 [−0.50, 1.50]",
         "< 0.001 (over factors)", "", "images", "80 images, 6 participants", "nothing"],
    ]  # fmt: skip
    assert table.to_numpy().tolist() == expected
    assert list(table.columns) == [
        "measure", "model", "value [95 % interval]", "p over images", "p over people", "interval over", "n",
        "independent of training",
    ]  # fmt: skip


def test_claims_about_external_sets_name_the_set():
    rows = [claim("alignment_auc", "group", 20.0, image_set=name) for name in ("degraded", "no-background")]
    table = readable.arrange(of_kind("external_summary", rows))
    assert list(table.columns[:3]) == ["measure", "image set", "model"]
    assert table["image set"].tolist() == ["degraded", "no-background"]


def test_single_participants_are_left_out_unless_asked_for(summary):
    assert "sub-01" not in readable.markdown(summary)
    assert "| sub-01 " in readable.markdown(summary, rows="each")
    assert "sub-01" in readable.page(summary)


def test_markdown_is_a_table_with_what_n_is_below(summary):
    table, told = readable.markdown(summary, rows="each").split("\n\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    arranged = readable.arrange(summary, rows="each")
    assert cells[0] == list(arranged.columns)
    assert cells[2:] == arranged.to_numpy().tolist()
    assert told == readable.CLAIMS


@pytest.mark.parametrize("halves_of", ["runs", None])
def test_a_table_of_real_data_tells_what_halves_are_made_of(summary, halves_of):
    summary.attrs["settings"] = {"halves_of": halves_of}
    told = HALVES[halves_of]
    assert readable.markdown(summary).endswith(f"{readable.CLAIMS} {told}.")
    assert told in readable.page(summary)


@pytest.mark.parametrize(
    ("metric", "participant", "people", "n"),
    [
        ("alignment_auc", None, 6, "80 images, 6 participants"),
        ("own_alignment_auc", "sub-01", 6, "80 images"),
        ("behavior_rho", "sub-01", 12, "80 images, 12 judges"),
        ("behavior_rho", None, 0, "80 images"),
    ],
)
def test_n_is_that_of_the_people_asked(metric, participant, people, n):
    row = claim(metric, "group", 0.5, participant=participant, people=people)
    assert readable.arrange(of_kind("summary", [row]), rows="each")["n"].tolist() == [n]


def test_a_page_has_the_same_cells(summary):
    assert cells(readable.page(summary)) == readable.arrange(summary, rows="each").to_numpy().ravel().tolist()
    assert "70.3 [69.3,\N{NO-BREAK SPACE}71.3]" in readable.page(summary)


def test_headlines_are_rows_of_the_summary(summary):
    telling = readable.arrange(summary, rows="headlines")
    assert telling["value [95 % interval]"].tolist() == ["70.3 [69.3, 71.3]", "−0.3 [−1.3, 0.7]"]
    few = telling[["measure", "model", "value [95 % interval]", "n"]]
    assert cells(readable.headlines(summary)) == few.to_numpy().ravel().tolist()


def test_ablations_have_a_row_for_each_variant():
    value, worth = {"value": 3.0, "low": 2.0, "high": 4.0}, {"worth": 1.0, "worth_low": 0.5, "worth_high": 1.5}
    nothing = dict.fromkeys(worth, np.nan)
    rows = [
        {"variant": "as configured", "metric": "behavior_rho", **value, **nothing, **BOTH},
        {"variant": "as configured", "metric": "identification_margin", **value, **nothing, **BOTH},
        {"variant": "no_noise", "metric": "identification_margin", **value, **worth, **BOTH},
        {"variant": "lora", "metric": "behavior_rho", **value, **worth, **BOTH, "independent_images": False},
    ]
    frame = of_kind("ablation", rows)
    frame.attrs |= {"images": 80, "participants": 6, "judges": 12}
    assert "\n\nn: 80 images, 6 participants, 12 judges. The first row" in readable.markdown(frame)
    table = readable.arrange(frame)
    assert table.to_numpy().tolist() == [
        ["as configured", "images, data", "3.00 [2.00, 4.00]", "3.000 [2.000, 4.000]"],
        ["no noise", "images, data", "", "1.000 [0.500, 1.500]"],
        ["lora", "data", "1.00 [0.50, 1.50]", ""],
    ]
    assert list(table.columns)[2:] == ["Agreement with human judgements (Spearman ρ)", "Identification margin (ρ)"]


def test_data_efficiency_has_a_row_for_each_amount():
    rows = [
        {"trained_on": unit, "amount": amount, **claim("identification_margin", model, 0.5, p=p)}
        for unit, amount, model, p in [
            ("minutes of recording", 9.4, "model-free", np.nan),
            ("minutes of recording", 9.4, "personal", 0.25),
            ("training images", 46.0, "personal", 0.0001),
        ]
    ]
    table = readable.arrange(of_kind("data_efficiency", rows))
    assert table.to_numpy().tolist() == [
        ["9 minutes of recording", "0.500 [−0.500, 1.500]", "0.500 [−0.500, 1.500], p 0.250"],
        ["46 training images", "", "0.500 [−0.500, 1.500], p < 0.001"],
    ]
    assert list(table.columns)[1:] == ["Identification margin (ρ), model-free", "Identification margin (ρ)"]


def test_people_never_seen_say_whose_recordings():
    row = claim("alignment_auc", "held-out group", 5.0, participant="sub-02")
    del row["q"]
    (found,) = readable.arrange(of_kind("held_out_participants", [row]), rows="each")["model"]
    assert found == "Group model without the participant, sub-02"


def test_other_tables_are_refused(summary):
    summary.attrs["kind"] = "ceiling"
    told = f"'ceiling' is none of the main tables: give one of {', '.join(MAIN_TABLES)}"
    with pytest.raises(ValueError, match=told):
        readable.markdown(summary)
