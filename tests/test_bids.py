"""BIDS data sets of several kinds: what is found, what is read, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cliphba.meg.bids import find_recordings, open_recording
from cliphba.sources import BIDSRecordings, Events
from tests.bids_sets import as_brainvision, write
from tests.raws import record, shown


def known(root: Path, **choice: object) -> BIDSRecordings:
    return BIDSRecordings(kind="bids", root=str(root), task="pictures", **choice)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of two and three runs, in an order that is not that of their names as text."""
    root = tmp_path_factory.mktemp("runs")
    events = shown(6)
    for session, run in (("1", "10"), ("1", "2"), ("2", "1"), ("2", "3"), ("2", "02")):
        write(record(events, kinds=("mag", "mag")), events, root, session=session, run=run, datatype="meg")
    return root


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_runs_are_found_in_their_order(runs: Path) -> None:
    found = find_recordings(known(runs, sessions=["2", "1"]), "sub-01")
    assert [name.split("_")[1:4:2] for name in names(found)] == [
        ["ses-2", "run-1"],
        ["ses-2", "run-02"],
        ["ses-2", "run-3"],
        ["ses-1", "run-2"],
        ["ses-1", "run-10"],
    ]
    chosen = find_recordings(known(runs, sessions=["1"], runs=["10"]), "sub-01")
    assert names(chosen) == ["sub-01_ses-1_task-pictures_run-10_meg.fif"]


def test_sessions_and_runs_are_named(runs: Path) -> None:
    (path,) = find_recordings(known(runs, sessions=["1"], runs=["10"]), "sub-01")
    opened = open_recording(path, Events())
    assert (opened.session, opened.run) == ("ses-1", "run-10")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"sessions": ["1", "3"]}, "holds no meg recording of sub-01, session 3, task pictures; check"),
        ({"sessions": ["1"], "runs": ["2", "5"]}, "session 1, task pictures, run 5"),
        ({}, "holds no meg recording of sub-01, task pictures; check"),
        ({"sessions": ["1"], "datatype": "eeg"}, "holds no eeg recording"),
    ],
)
def test_what_is_not_there_is_named(runs: Path, choice: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_recordings(known(runs, **choice), "sub-01")


def test_two_recordings_of_one_run_are_refused(tmp_path: Path) -> None:
    events = shown(6)
    for acquisition in ("a", "b"):
        write(record(events, kinds=("mag",)), events, tmp_path, acquisition=acquisition, datatype="meg")
    with pytest.raises(ValueError, match=r"acq-a.* and .*acq-b.* are the same session and run"):
        find_recordings(known(tmp_path), "sub-01")


def test_a_recording_in_several_files_is_one(tmp_path: Path) -> None:
    events = shown(6)
    path = write(record(events, kinds=("mag",)), events, tmp_path, datatype="meg")
    for split in ("01", "02"):
        path.with_name(f"sub-01_task-pictures_split-{split}_meg.fif").write_bytes(path.read_bytes())
    path.unlink()
    assert names(find_recordings(known(tmp_path), "sub-01")) == ["sub-01_task-pictures_split-01_meg.fif"]


def test_eeg_in_brainvision_without_sessions(tmp_path: Path) -> None:
    """Three files of each recording, one of which is opened; bad channels and the stimulus's own column are read."""
    events = shown(6).assign(trial_type=["badger", "bee"] * 3)
    written = record(events, kinds=["eeg"] * 4)
    written._data *= 1e7
    raw = as_brainvision(written, tmp_path)
    raw.info["bads"] = ["2"]
    write(raw, events, tmp_path / "bids", datatype="eeg")
    (path,) = find_recordings(known(tmp_path / "bids", datatype="eeg"), "sub-01")
    assert path.suffix == ".vhdr"
    opened = open_recording(path, Events(stimulus="trial_type"))
    assert opened.trials["stimulus"].tolist() == ["badger", "bee"] * 3
    np.testing.assert_allclose(opened.trials["onset"], events["onset"])
    np.testing.assert_allclose(opened.raw.get_data(), written.get_data(), atol=1e-11)
    assert opened.raw.info["bads"] == ["2"]
    assert not [text for text in opened.raw.annotations.description if text.startswith("bad")]


def test_a_missing_or_unfitting_table_of_events_is_named(tmp_path: Path) -> None:
    events = shown(6)
    path = write(record(events, kinds=("mag",)), events, tmp_path, datatype="meg")
    with pytest.raises(ValueError, match=r"task-pictures_events.tsv: the table of events lacks the column word"):
        open_recording(path, Events(stimulus="word"))
    table = path.with_name("sub-01_task-pictures_events.tsv")
    table.unlink()
    with pytest.raises(ValueError, match=r"sub-01_task-pictures_events.tsv is missing"):
        open_recording(path, Events())


def test_channels_that_are_not_those_the_data_set_lists_are_refused(tmp_path: Path) -> None:
    events = shown(6)
    path = write(record(events, kinds=("mag", "mag")), events, tmp_path, datatype="meg")
    table = path.with_name("sub-01_task-pictures_channels.tsv")
    listed = pd.read_csv(table, sep="\t", keep_default_na=False).replace({"name": {1: "MLO11"}})
    listed.to_csv(table, sep="\t", index=False)
    with pytest.raises(ValueError, match=r"sub-01_task-pictures_meg.fif: .*channel"):
        open_recording(path, Events())


def test_events_that_are_bad_stretches_stay_bad(tmp_path: Path) -> None:
    events = shown(6).assign(trial_type="picture")
    path = write(record(events, kinds=("mag",)), events, tmp_path, datatype="meg")
    table = path.with_name("sub-01_task-pictures_events.tsv")
    stretch = dict.fromkeys(table.read_text(encoding="utf-8-sig").split("\n")[0].split("\t"), "n/a")
    stretch |= {"onset": "5.9", "duration": "0.2", "trial_type": "BAD_ACQ_SKIP"}
    table.write_text(table.read_text().rstrip() + "\n" + "\t".join(stretch.values()) + "\n")
    opened = open_recording(path, Events(where={"trial_type": ["picture"]}))
    assert list(opened.raw.annotations.description) == ["BAD_ACQ_SKIP"]
    assert len(opened.trials) == 6
