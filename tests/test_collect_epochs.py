"""Epochs of others: the same samples of the same trials, in the study's parts, on its grid."""

from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.collect import epochs as collect
from cliphba.config import TimeGrid
from cliphba.meg.channels import choose_channels
from cliphba.meg.events import restrict_trials
from cliphba.meg.read import open_sessions
from cliphba.sources import EpochsRecordings
from tests.conftest import real_data

RATE, NAMES = 200, ["MEG 1", "MEG 2", "MEG 3", "EEG 1", "STI"]
GRID = TimeGrid(start_ms=-100, stop_ms=200, step_ms=10)
TYPES = ["mag", "mag", "grad", "eeg", "stim"]


def make(
    table: pd.DataFrame, *, rate: float = RATE, low_pass: float = 40, bads: tuple[str, ...] = ()
) -> mne.EpochsArray:
    """Epochs whose samples tell trial (whole numbers), channel (tenths) and time (thousandths)."""
    info = mne.create_info(NAMES, rate, TYPES)
    info["bads"] = list(bads)
    with info._unlock():
        info["lowpass"] = low_pass
    times = np.arange(round(-0.2 * rate), round(0.3 * rate) + 1)
    trial, channel = np.arange(len(table))[:, None, None], np.arange(5)[None, :, None]
    data = 1e-6 * (trial + channel / 10 + times / 10000)
    return mne.EpochsArray(data, info, tmin=times[0] / rate, metadata=table, verbose="error")


def described(**columns: object) -> EpochsRecordings:
    return EpochsRecordings(kind="epochs", **{"files": "{participant}_epo.fif", **columns})


def sessions_table(sessions: int = 4) -> pd.DataFrame:
    rows = [
        (f"{name}.jpg", number, kind)
        for number in range(1, sessions + 1)
        for name in "abz"
        for kind in ("exp", "catch")
    ]
    return pd.DataFrame(rows, columns=["image", "session_nr", "type"]).sample(frac=1, random_state=0)


EVENTS = {"stimulus": "image", "pattern": r"(.+)\.jpg$", "where": {"type": ["exp"]}}


def test_trials_go_to_the_sessions_that_a_column_names():
    table = sessions_table().reset_index(drop=True)
    known = described(events=EVENTS, session_column="session_nr", sessions=["01", "02", "4"])
    trials = collect.list_trials([table], known, ["a", "b"])
    assert set(trials["session"]) == {"ses-01", "ses-02", "ses-4"}
    for _, trial in trials.iterrows():
        row = table.iloc[trial["row"]]
        assert row["image"] == trial["stimulus"] + ".jpg"
        assert row["type"] == "exp"
        assert int(row["session_nr"]) == int(trial["session"].removeprefix("ses-"))
    assert trials.groupby(["session", "stimulus"]).size().eq(1).all()
    # numbers of trials are those of the session, pictures left out included
    assert trials["trial"].max() == 2


def test_a_session_may_be_a_file():
    tables = [sessions_table(1), sessions_table(1)]
    known = described(files="{participant}_{session}_epo.fif", sessions=["A", "B"], events=EVENTS)
    trials = collect.list_trials(tables, known, ["a", "b", "z"])
    assert trials.groupby("session")["file"].unique().map(list).to_dict() == {"ses-A": [0], "ses-B": [1]}
    assert list(known.paths("sub-07")) == ["07_A_epo.fif", "07_B_epo.fif"]


def test_trials_of_one_session_are_dealt_out_in_turn():
    table = pd.DataFrame({"stimulus": [*"aabab", *"babab", "z", "a"]})
    trials = collect.list_trials([table], described(), ["a", "b"])
    assert list(trials.loc[trials["stimulus"] == "a", "session"]) == [f"trials-{part}" for part in (1, 2, 3, 4, 1, 2)]
    assert list(trials.loc[trials["stimulus"] == "b", "session"]) == [f"trials-{part}" for part in (1, 2, 3, 4, 1)]
    assert list(trials["row"]) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        ({"picture": ["a", "b"]}, {}, "lacks the column stimulus"),
        ({"stimulus": ["a", "b"] * 4}, {"session_column": "day"}, "no column 'day', only stimulus"),
        (
            {"stimulus": ["a", "b"] * 4, "day": 1},
            {"session_column": "day", "sessions": ["1", "2"]},
            "no trial is of 2, but of 1",
        ),
        ({"stimulus": ["a", "b"] * 3}, {}, "2 of 2 pictures, such as a, b, have fewer than 4 trials"),
        (
            {"stimulus": ["a", "c"] * 4},
            {},
            "1 of the 2 pictures of the study have no trial, such as b; trials name a, c",
        ),
    ],
)
def test_tables_of_trials_that_do_not_fit_are_refused(table, settings, message):
    with pytest.raises(ValueError, match=message):
        collect.list_trials([pd.DataFrame(table)], described(**settings), ["a", "b"])


def test_other_pictures_are_left_out_and_counted(caplog):
    trials = pd.DataFrame({"stimulus": [*"abzzy"]})
    assert list(restrict_trials(trials, ["a", "b"])["stimulus"]) == ["a", "b"]
    assert "3 of 5 trials are left out: their pictures, such as z, y, are not among the 2 wanted" in caplog.text
    caplog.clear()
    assert restrict_trials(trials, [*"abyz"]).equals(trials)
    assert not caplog.text


def imported(folder: Path, table: pd.DataFrame, **options: object) -> list[mne.BaseEpochs]:
    """Save epochs, import them as files of parts, and open those."""
    known = described(events=EVENTS, session_column="session_nr", sessions=["1", "2", "3", "4"])
    make(table, **options).save(folder / "given_epo.fif", verbose="error", split_size="2MB")
    opened = [collect.open_epochs(folder / "given_epo.fif")]
    trials = collect.list_trials([opened[0].metadata], known, ["a", "b"])
    channels = choose_channels(opened, datatype="meg", interpolate=False)
    for number, part in enumerate(collect.read_parts(opened, trials, channels, GRID, known.parts)):
        part.save(folder / f"part-{number}_epo.fif", verbose="error")
    return open_sessions(sorted(folder.glob("part-*_epo.fif"))).epochs


@pytest.mark.parametrize("rate", [100, 200, 1000])
def test_samples_are_those_of_the_file(tmp_path, rate):
    table = sessions_table().reset_index(drop=True)
    parts = imported(tmp_path, table, rate=rate, bads=("MEG 2",))
    assert [len(part) for part in parts] == [2, 2, 2, 2]
    for number, part in enumerate(parts, start=1):
        assert part.ch_names == ["MEG 1", "MEG 3"]
        np.testing.assert_allclose(1000 * part.times, GRID.times_ms, atol=1e-9)
        assert list(part.metadata) == ["stimulus", "session", "trial"]
        assert set(part.metadata["session"]) == {f"ses-{number}"}
        wanted = table[(table["session_nr"] == number) & (table["type"] == "exp") & (table["image"] != "z.jpg")]
        assert list(part.metadata["stimulus"] + ".jpg") == list(wanted["image"])
        samples = np.array(GRID.times_ms) * rate / 1000 / 10000
        expected = 1e-6 * (wanted.index.to_numpy()[:, None, None] + np.array([0, 0.2])[None, :, None] + samples)
        np.testing.assert_allclose(part.get_data(copy=False), expected, atol=1e-11)


def test_sessions_in_files_of_their_own_have_channels_in_common(tmp_path):
    table = pd.DataFrame({"stimulus": [*"ab"]})
    for name, bads in (("1", ("MEG 1",)), ("2", ("MEG 3",)), ("3", ())):
        make(table, bads=bads).save(tmp_path / f"01_{name}_epo.fif", verbose="error")
    known = described(files=f"{tmp_path}/{{participant}}_{{session}}_epo.fif", sessions=["1", "2", "3"])
    files = [collect.open_epochs(path) for path in known.paths("sub-01")]
    assert choose_channels(files, datatype="meg", interpolate=False) == ["MEG 2"]
    assert choose_channels(files, datatype="eeg", interpolate=False) == ["EEG 1"]
    trials = collect.list_trials([one.metadata for one in files], known, ["a", "b"])
    parts = list(collect.read_parts(files, trials, ["MEG 2"], GRID, known.parts))
    assert [set(part.metadata["session"]) for part in parts] == [{"ses-1"}, {"ses-2"}, {"ses-3"}]


@pytest.mark.parametrize(
    ("times", "low_pass", "grid", "message"),
    [
        (np.arange(-0.1, 0.2001, 0.01), 40, GRID, None),
        (np.arange(-0.1, 0.2001, 0.005), 50, GRID, None),
        # as fine as they are given, nothing is left out and nothing folds back
        (np.arange(-0.1, 0.2001, 0.01), 330, GRID, None),
        (np.arange(-0.1, 0.2001, 0.005), 51, GRID, r"frequencies up to 51 Hz, but samples every 10 ms carry 50 Hz"),
        (
            np.arange(-0.05, 0.2001, 0.01),
            40,
            GRID,
            r"no sample at -100 ms; theirs go from -50 to 200 ms in steps of 10",
        ),
        (np.arange(-20, 40) / 100 + 0.002, 40, GRID, "no sample at -100 ms"),
        (np.arange(-60, 200) / 512, 40, GRID, "or resample them"),
    ],
)
def test_grids_that_a_file_does_not_have_are_refused(times, low_pass, grid, message):
    if message is None:
        collect.check_times(times, low_pass, grid)
    else:
        with pytest.raises(ValueError, match=message):
            collect.check_times(times, low_pass, grid)


def test_files_that_are_no_epochs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        collect.open_epochs(tmp_path / "nowhere_epo.fif")
    (tmp_path / "text_epo.fif").write_text("no epochs")
    with pytest.raises(ValueError, match="cannot be read as epochs"):
        collect.open_epochs(tmp_path / "text_epo.fif")
    bare = make(pd.DataFrame({"stimulus": [*"ab"]}))
    bare.metadata = None
    bare.save(tmp_path / "bare_epo.fif", verbose="error")
    with pytest.raises(ValueError, match="no table of trials"):
        collect.open_epochs(tmp_path / "bare_epo.fif")
    eeg = make(pd.DataFrame({"stimulus": [*"ab"]})).pick("eeg")
    with pytest.raises(ValueError, match=r"no good MEG channel is in all recordings; .* types eeg"):
        choose_channels([eeg], datatype="meg", interpolate=False)


def test_real_epochs_with_all_kinds_of_sensors(tmp_path):
    raw = mne.io.read_raw_fif(real_data("meg") / "test_raw.fif", verbose="error")
    events = mne.find_events(raw, "STI 014", verbose="error")
    events = events[np.isin(events[:, 2], [1, 2])]
    table = pd.DataFrame({"stimulus": events[:, 2].astype(str)})
    # no grid has samples at 300.3 Hz
    epochs = mne.Epochs(
        raw, events, tmin=-0.1, tmax=0.4, baseline=None, metadata=table, preload=True, verbose="error"
    )
    epochs = epochs.resample(200, verbose="error").filter(None, 40, verbose="error")
    epochs.save(tmp_path / "01_epo.fif", verbose="error")
    opened = [collect.open_epochs(tmp_path / "01_epo.fif")]
    trials = collect.list_trials([opened[0].metadata], described(), ["1", "2"])
    channels = choose_channels(opened, datatype="meg", interpolate=False)
    assert not set(channels) & set(raw.info["bads"])
    parts = list(collect.read_parts(opened, trials, channels, GRID, [f"trials-{part}" for part in range(1, 5)]))
    assert sum(len(part) for part in parts) == len(epochs)
    first = parts[0].get_data(copy=False)[0]
    given = mne.read_epochs(tmp_path / "01_epo.fif", verbose="error").pick(channels)
    assert np.array_equal(first[:, 10], given.get_data(copy=False)[0, :, given.time_as_index(0)[0]])
