"""From tables of events to trials: what counts as one, which picture it showed and when, what is refused."""

from __future__ import annotations

import logging

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.meg.events import select_trials, unmark


@pytest.fixture
def events() -> pd.DataFrame:
    """As text, as they are read from a data set."""
    return pd.DataFrame(
        {
            "onset": ["1.0", "2.0", "3.0", "4.0", "5.0"],
            "sensor": ["1.05", "n/a", "3.06", "4.05", np.nan],
            "trial_type": ["exp", "exp", "catch", "test", "exp"],
            "value": ["64", "64", "32", "64.0", "64"],
            "file": ["images/acorn/acorn_01b.jpg", "bat1/bat1_02s.jpg", np.nan, "x/tiger_12n.jpg", "bee/bee_01b.jpg"],
        }
    )


def test_rows_columns_pattern_and_delay(events: pd.DataFrame) -> None:
    found = select_trials(
        events,
        stimulus="file",
        pattern=r"([^/]+)_[0-9]+[a-z]\.jpg$",
        where={"trial_type": ["exp", "test"]},
        onset="sensor",
        delay_ms=-20,
    )
    assert found["stimulus"].tolist() == ["acorn", "bat1", "tiger", "bee"]
    np.testing.assert_allclose(found["onset"], [1.03, np.nan, 4.03, np.nan])
    assert found["trial"].tolist() == [0, 1, 2, 3]
    assert found.index.tolist() == [0, 1, 3, 4]


def test_the_whole_cell_is_the_stimulus_and_keeps_its_zeros() -> None:
    found = select_trials(pd.DataFrame({"onset": [1, 2], "stimulus": ["007", "12"]}))
    assert found["stimulus"].tolist() == ["007", "12"]
    assert found["onset"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", ["64", 64, 64.0, "64.0"])
def test_numbers_are_compared_as_numbers(events: pd.DataFrame, value: object) -> None:
    assert len(select_trials(events, stimulus="trial_type", where={"value": [value]})) == 4
    typed = events.assign(value=events["value"].astype(float))
    assert len(select_trials(typed, stimulus="trial_type", where={"value": [value]})) == 4


def test_events_without_a_match_are_no_trials_and_are_told(
    events: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = select_trials(events, stimulus="trial_type", pattern="^(e.*)")
    assert found["stimulus"].tolist() == ["exp"] * 3
    assert "2 of 5 events, such as 'catch', do not match ^(e.*)" in caplog.text


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"stimulus": "picture"}, "lacks the column picture; it has onset, sensor, trial_type, value, file"),
        ({"stimulus": "file", "onset": "light"}, "lacks the column light"),
        ({"stimulus": "file", "where": {"kind": ["exp"]}}, "lacks the column kind"),
        ({"stimulus": "file"}, "column file .* is empty in 1 of 5 events"),
        (
            {"stimulus": "value", "where": {"trial_type": ["exp ", "x"]}},
            "'exp ' or 'x'; it is 'exp', 'catch', 'test'",
        ),
        ({"stimulus": "trial_type", "pattern": "picture_(.*)"}, "matches no cell of trial_type, such as 'exp'"),
        ({"stimulus": "trial_type", "pattern": "exp"}, "exp has no group"),
        ({"stimulus": "value", "onset": "trial_type"}, "column trial_type .* holds no number, such as 'exp'"),
    ],
)
def test_what_does_not_fit_is_refused(events: pd.DataFrame, choice: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_trials(events, **choice)


@pytest.mark.parametrize("dated", [False, True])
def test_a_badger_is_not_a_bad_stretch(dated: bool) -> None:
    raw = mne.io.RawArray(np.zeros((1, 1000)), mne.create_info(1, 100.0, "mag"), first_samp=300, verbose="error")
    if dated:
        raw.set_meas_date(1e9)
    raw.set_annotations(mne.Annotations([2, 4, 6], [0.5, 0.5, 1], ["badger", "bee", "BAD_jump"]), verbose="error")
    unmark(raw, pd.DataFrame({"onset": ["2.0", "4.0"]}))
    assert list(raw.annotations.description) == ["BAD_jump"]
