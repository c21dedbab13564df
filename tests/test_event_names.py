"""Trials whose stimulus is a number: the line of a file of names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cliphba.meg.events import select_trials
from cliphba.tables import read_names
from tests.conftest import real_data

NAMES = ["aardvark", "abacus", "accordion"]
# as THINGS-MEG writes them
EVENTS = pd.DataFrame(
    {"onset": ["2.85", "4.51", "6.06"], "trial_type": ["exp", "exp", "catch"], "nr": ["3.0", "1.0", "N/A"]}
)


def test_numbers_stand_for_names_counted_from_1() -> None:
    found = select_trials(EVENTS, stimulus="nr", names=NAMES, where={"trial_type": ["exp"]})
    assert found["stimulus"].tolist() == ["accordion", "aardvark"]


def test_number_may_be_a_part_of_the_cell() -> None:
    events = EVENTS.assign(nr=["image 2", "image 1", "blank"])
    found = select_trials(events, stimulus="nr", pattern="image ([0-9]+)", names=NAMES)
    assert found["stimulus"].tolist() == ["abacus", "aardvark"]


@pytest.mark.parametrize(("cell", "told"), [("0", "'0'"), ("4.0", "'4.0'"), ("1.5", "'1.5'"), ("N/A", "'N/A'")])
def test_what_is_no_line_is_refused(cell: str, told: str) -> None:
    events = EVENTS.assign(nr=["1", cell, "2"])
    with pytest.raises(ValueError, match=rf"{told}, which is no number from 1 to 3.*events\.names"):
        select_trials(events, stimulus="nr", names=NAMES)


def test_names_stand_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("aardvark\nair conditioner\r\n\n")
    assert read_names(path) == ["aardvark", "air conditioner"]
    path.write_text("\ufeffbat\ncat", encoding="utf-8")
    assert read_names(path) == ["bat", "cat"]
    path.write_text("bat\n\ncat\n")
    with pytest.raises(ValueError, match="line 2 is empty"):
        read_names(path)
    path.write_text("bat\nbat\n")
    with pytest.raises(ValueError, match="bat stands there twice"):
        read_names(path)
    with pytest.raises(ValueError, match="no such file"):
        read_names(tmp_path / "other.txt")


def test_published_numbers_are_lines_of_the_published_names() -> None:
    """Pictures named in the first version of the data set's tables, beside their numbers."""
    names = read_names(real_data("things") / "unique_id.txt")
    known = {
        "bagel": 56,
        "boa": 151,
        "filing_cabinet": 586,
        "mouse1": 1027,
        "stick": 1553,
        "t-shirt": 1607,
        "wig": 1817,
    }
    assert {name: names.index(name) + 1 for name in known} == known
