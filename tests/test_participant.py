"""All recordings of a participant: runs put together; parts of sessions, runs or trials; all trials accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.meg import rejection
from cliphba.meg.bids import find_recordings, open_recording
from cliphba.meg.divide import in_turn, take_turns
from cliphba.meg.participant import Part, preprocess_participant
from cliphba.meg.preprocess import Recording
from cliphba.meg.read import gather_sessions
from cliphba.sources import BIDSRecordings, HalvesOf
from tests.bids_sets import write
from tests.raws import GRID, record, recording, run, settings, shown


def preprocessed(recordings: list[Recording], parts_of: HalvesOf, parts: list[str], **changes: Any) -> list[Part]:
    found = preprocess_participant(
        recordings,
        settings(**changes),
        GRID,
        participant="sub-01",
        datatype="meg",
        parts=parts,
        parts_of=parts_of,
        seed=1,
    )
    return list(found)


def moved(raw: mne.io.RawArray, shift_m: float) -> mne.io.RawArray:
    """The same recording with the head elsewhere."""
    place = np.eye(4)
    place[2, 3] = shift_m
    with raw.info._unlock():
        raw.info["dev_head_t"] = mne.transforms.Transform("meg", "head", place)
    return raw


def four_runs() -> list[Recording]:
    """Two sessions of two runs each, of 12, 14, 16 and 18 trials, the head in four places."""
    made = []
    for number in range(4):
        events = shown(12 + 2 * number)
        raw = moved(record(events, kinds=("mag", "mag"), seed=number), 0.01 * number)
        made.append(recording(raw, events, f"ses-0{1 + number // 2}", f"run-0{1 + number % 2}"))
    return made


def test_runs_of_a_session_are_put_together() -> None:
    runs = four_runs()
    first, second = preprocessed(runs, "sessions", ["ses-01", "ses-02"])
    assert [len(part.epochs) for part in (first, second)] == [26, 34]
    metadata = second.epochs.metadata
    assert metadata["session"].unique().tolist() == ["ses-02"]
    assert metadata["run"].value_counts().to_dict() == {"run-01": 16, "run-02": 18}
    assert metadata["trial"].tolist() == list(range(34))
    alone = run(runs[3].raw, shown(18)).epochs
    np.testing.assert_array_equal(second.epochs.get_data()[16:], alone.get_data())
    assert [source.run for source in second.sources] == ["run-01", "run-02"]


def test_runs_whose_channels_stand_in_another_order_are_put_together() -> None:
    runs = four_runs()[:2]
    alike = preprocessed(runs, "sessions", ["ses-01"])[0].epochs
    other = replace(runs[1], raw=runs[1].raw.copy().reorder_channels(runs[1].raw.ch_names[::-1]))
    found = preprocessed([runs[0], other], "sessions", ["ses-01"])[0].epochs
    assert found.ch_names == alike.ch_names
    np.testing.assert_array_equal(found.get_data(), alike.get_data())


def test_runs_are_parts_of_a_single_session() -> None:
    one, other = preprocessed(four_runs()[:2], "runs", ["run-01", "run-02"])
    assert other.epochs.metadata["session"].unique().tolist() == ["run-02"]
    assert (len(one.epochs), len(other.epochs)) == (12, 14)
    assert other.epochs.metadata["trial"].tolist() == list(range(12, 26))


def test_trials_are_dealt_out() -> None:
    events = shown(40, stimuli=8)
    names = [f"trials-{number}" for number in range(1, 5)]
    parts = preprocessed([recording(record(events), events)], "trials", names)
    assert [part.name for part in parts] == names
    shows = [part.epochs.metadata["stimulus"].value_counts() for part in parts]
    # five trials of each stimulus: two to the first part, one to each other
    assert [set(found) for found in shows] == [{2}, {1}, {1}, {1}]
    assert parts[2].epochs.metadata["trial"].tolist() == list(range(16, 24))
    whole = run(record(events), events).epochs
    np.testing.assert_array_equal(parts[2].epochs.get_data(), whole.get_data()[16:24])


def test_trials_that_were_lost_are_dealt_out_after_those_that_were_kept() -> None:
    """Of five trials of each stimulus the first is lost for two of them, and no part may suffer more than another."""
    events = shown(40, stimuli=8)
    raw = record(events)
    raw.set_annotations(mne.Annotations(events["onset"][:2], 0.1, "BAD_jump"))
    parts = preprocessed([recording(raw, events)], "trials", ["a", "b", "c", "d"])
    assert all((part.epochs.metadata["stimulus"] == "image-0").sum() == 1 for part in parts)
    counts = pd.concat([rejection.count(part.trials, "sub-01") for part in parts]).set_index("session")
    assert counts["recorded"].tolist() == [16, 8, 8, 8]
    assert counts["annotated"].tolist() == [2, 0, 0, 0]
    assert counts["kept"].tolist() == [len(part.epochs) for part in parts]


def test_every_trial_is_counted_once_under_its_reason() -> None:
    events = shown(24)
    raw = record(events)
    raw.set_annotations(mne.Annotations(events["onset"][3], 0.1, "BAD_jump"))
    events.loc[5, "onset"] = 1000.0
    events.loc[6:8, "onset"] = np.nan
    (part,) = preprocessed([recording(raw, events)], "sessions", ["ses-01"])
    table = rejection.count(part.trials, "sub-01").iloc[0].to_dict()
    assert table == {
        "participant": "sub-01",
        "session": "ses-01",
        "recorded": 24,
        "kept": 19,
        "no_onset": 3,
        "cut_off": 1,
        "annotated": 1,
        "amplitude": 0,
        "range": 0,
    }


def test_all_parts_have_the_same_channels() -> None:
    """Also those parts that are never read together, such as the two halves."""
    recordings = four_runs()
    recordings[1].raw.info["bads"] = ["1"]
    parts = preprocessed(recordings, "sessions", ["ses-01", "ses-02"])
    assert [part.epochs.ch_names for part in parts] == [["0"], ["0"]]
    assert [source.bad for part in parts for source in part.sources] == [[], ["1"], [], []]
    with pytest.raises(ValueError, match=r"bad_channels: there is no channel 7, but 0, 1"):
        preprocessed(recordings, "sessions", ["ses-01", "ses-02"], bad_channels_of={"sub-01": ["7"]})
    assert preprocessed(recordings[:1], "sessions", ["ses-01"], bad_channels_of={"sub-02": ["7"]})


def test_a_part_without_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="no recording of ses-03, but of ses-01, ses-02"):
        preprocessed(four_runs(), "sessions", ["ses-01", "ses-03"])


def test_a_data_set_of_several_runs_from_file_to_patterns(tmp_path: Path) -> None:
    """One session of two runs, as parts, and read back from their own files."""
    events = {label: shown(16) for label in ("1", "2")}
    for label, table in events.items():
        raw = record(table, kinds=("mag", "mag", "ref_meg", "eog"), seed=int(label))
        raw.info["bads"] = ["1"] if label == "2" else []
        write(raw, table, tmp_path / "bids", run=label, datatype="meg")
    known = BIDSRecordings(kind="bids", root=str(tmp_path / "bids"), task="pictures", runs=["1", "2"])
    recordings = [open_recording(path, known.events) for path in find_recordings(known, "sub-01")]
    parts = preprocessed(recordings, known.halves_of, known.parts)
    files = [tmp_path / f"{part.name}_epo.fif" for part in parts]
    for part, file in zip(parts, files, strict=True):
        part.epochs.save(file, verbose="error")
    sessions = gather_sessions([mne.read_epochs(file, verbose="error") for file in files])
    assert list(sessions.channels) == ["0"]
    assert sessions.trials["session"].tolist() == ["run-1"] * 16 + ["run-2"] * 16
    assert sessions.trials["trial"].tolist() == list(range(32))
    peak = sessions.times_ms[sessions.patterns(0, 36).mean(axis=(0, 1)).argmax()]
    assert peak == pytest.approx(200)


def test_trials_are_dealt_out_in_turn() -> None:
    events = shown(12)
    parts = in_turn(run(record(events), events).epochs, ["a", "b"])
    assert [len(part) for part in parts.values()] == [8, 4]
    assert parts["b"].metadata["session"].unique().tolist() == ["b"]


def test_turns_by_hand() -> None:
    stimulus = pd.Series(["a", "b", "a", "a", "b", "a"])
    assert take_turns(stimulus, 2).tolist() == [0, 0, 1, 0, 1, 1]
