"""Real recordings go through the same code: from a CTF-275 system, and an Elekta one with all kinds of sensors."""

import os
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.config import TimeGrid
from cliphba.meg.bids import find_recordings, open_recording
from cliphba.meg.engine import decode_rdm
from cliphba.meg.participant import preprocess_participant
from cliphba.meg.read import gather_sessions
from cliphba.sources import BIDSRecordings
from tests.bids_sets import write
from tests.raws import run, settings

FOLDER = Path(os.environ.get("CLIPHBA_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "meg"


def find(name: str) -> Path:
    if not (FOLDER / name).exists():
        pytest.skip(f"{name} is not in {FOLDER}; set CLIPHBA_REAL_DATA to the folder that holds meg/{name}")
    return FOLDER / name


@pytest.fixture
def elekta() -> tuple[mne.io.BaseRaw, pd.DataFrame]:
    raw = mne.io.read_raw_fif(find("test_raw.fif"), verbose="error")
    found = mne.find_events(raw, "STI 014", verbose="error")
    onset = (found[:, 0] - raw.first_samp) / raw.info["sfreq"]
    return raw, pd.DataFrame({"onset": onset, "stimulus": found[:, 2]})


GRID = TimeGrid(start_ms=-100, stop_ms=500, step_ms=20)
OPTIONS = {"grid": GRID, "line_hz": 60.0, "rejection_deviations": 6.0}


def scaled(epochs: mne.Epochs) -> np.ndarray:
    """All patterns, in standard deviations of the baseline."""
    return gather_sessions([epochs]).patterns(0, len(epochs.times))


@pytest.mark.parametrize(("datatype", "types"), [("meg", {"mag", "grad"}), ("eeg", {"eeg"})])
def test_elekta_with_all_its_sensors(
    elekta: tuple[mne.io.BaseRaw, pd.DataFrame], datatype: str, types: set[str]
) -> None:
    raw, events = elekta
    epochs = run(raw, events, datatype=datatype, **OPTIONS).epochs
    assert set(epochs.get_channel_types()) == types
    assert not set(epochs.ch_names) & set(raw.info["bads"])
    # 300.3 Hz is no whole number of samples in 20 ms: this recording has to be resampled.
    np.testing.assert_allclose(epochs.times, np.arange(-0.1, 0.501, 0.02), atol=1e-9)
    assert 20 <= len(epochs) <= len(events)
    spread = scaled(epochs).std(axis=(0, 2))
    assert spread.max() / spread.min() < 10


def test_elekta_trials_are_decoded(elekta: tuple[mne.io.BaseRaw, pd.DataFrame]) -> None:
    """Left against right checkerboards and tones: visibly different before 500 ms, and not before the onset."""
    raw, events = elekta
    chosen = events[events["stimulus"].isin([1, 2, 3, 4])].reset_index(drop=True)
    epochs = run(raw.copy().pick("grad"), chosen, **OPTIONS).epochs
    stimulus = epochs.metadata["stimulus"].astype(int).to_numpy()
    # One run only: its trials in turn stand for sessions.
    session = pd.Series(stimulus).groupby(stimulus).cumcount().to_numpy() % 3
    label = np.unique(stimulus, return_inverse=True)[1]
    accuracy = decode_rdm(scaled(epochs), stimulus=label, session=session)
    late = (epochs.times > 0.06) & (epochs.times < 0.4)
    assert accuracy.shape == (len(epochs.times), 6)
    assert np.isfinite(accuracy).all()
    assert accuracy[late].mean() > accuracy[epochs.times <= 0].mean() + 0.05


def test_ctf_gradiometers(tmp_path: Path) -> None:
    raw = mne.io.read_raw_ctf(find("testdata_ctf_short_discontinuous.ds"), verbose="error")
    onset = np.array([0.4, 0.8, 1.2])
    events = pd.DataFrame({"onset": onset, "stimulus": ["acorn", "badger", "acorn"]})
    grid = TimeGrid(start_ms=-100, stop_ms=200, step_ms=5)
    # Two seconds are shorter than a high-pass at 0.1 Hz can work with: 5 Hz here.
    epochs = run(raw, events, grid=grid, high_pass_hz=5, low_pass_hz=40, line_hz=60).epochs
    assert len(epochs.ch_names) > 270
    np.testing.assert_allclose(epochs.times, np.arange(-0.1, 0.2001, 0.005), atol=1e-9)
    assert np.isfinite(scaled(epochs)).all()
    epochs.save(tmp_path / "sub-01_epo.fif", verbose="error")
    assert mne.read_epochs(tmp_path / "sub-01_epo.fif", verbose="error").metadata.equals(epochs.metadata)


@pytest.mark.parametrize("grade", [0, 3])
def test_ctf_compensation_is_that_of_mne(grade: int) -> None:
    """In the order of preprocessing, too: before the filter, with reference sensors that are then put away."""
    raw = mne.io.read_raw_ctf(find("testdata_ctf_short_discontinuous.ds"), verbose="error")
    events = pd.DataFrame({"onset": [0.4, 0.8, 1.2], "stimulus": ["acorn", "badger", "acorn"]})
    grid = TimeGrid(start_ms=-100, stop_ms=200, step_ms=5)
    options = {"grid": grid, "high_pass_hz": 5, "low_pass_hz": 40, "line_hz": None}
    as_recorded = run(raw, events, **options).epochs
    compensated = run(raw, events, gradient_compensation=grade, **options).epochs
    by_mne = raw.copy().load_data(verbose="error").apply_gradient_compensation(grade, verbose="error")
    expected = run(by_mne, events, **options).epochs
    scale = np.abs(as_recorded.get_data()).max()
    np.testing.assert_allclose(compensated.get_data(), expected.get_data(), atol=1e-12 * scale)
    assert compensated.compensation_grade == grade
    assert raw.compensation_grade == 0
    assert (np.abs(compensated.get_data() - as_recorded.get_data()).max() > 0.3 * scale) == (grade == 3)
    assert compensated.ch_names == as_recorded.ch_names


def test_other_systems_are_not_compensated(elekta: tuple[mne.io.BaseRaw, pd.DataFrame]) -> None:
    with pytest.raises(ValueError, match="gradient_compensation: this recording has no reference sensors"):
        run(*elekta, gradient_compensation=3, **OPTIONS)


def test_ctf_runs_in_bids_with_the_head_in_two_places(tmp_path: Path) -> None:
    """Folders of CTF are found as recordings, files in them are not; sensors are good in both runs or left out."""
    folder = find("testdata_ctf_short_discontinuous.ds")
    events = pd.DataFrame({"onset": [0.4, 0.8, 1.2], "stimulus": ["acorn", "badger", "acorn"]})
    for label in ("1", "2"):
        raw = mne.io.read_raw_ctf(folder, verbose="error")
        raw.info["bads"] = [raw.ch_names[60]] if label == "2" else []
        write(raw, events, tmp_path, session="01", run=label, datatype="meg")
    known = BIDSRecordings(kind="bids", root=str(tmp_path), task="pictures", sessions=["01"])
    found = find_recordings(known, "sub-01")
    assert [path.suffix for path in found] == [".ds", ".ds"]
    recordings = [open_recording(path, known.events) for path in found]
    recordings[1].raw.info["dev_head_t"]["trans"][2, 3] += 0.01
    (part, *_) = preprocess_participant(
        recordings,
        settings(high_pass_hz=5, low_pass_hz=40, gradient_compensation=3),
        TimeGrid(start_ms=-100, stop_ms=200, step_ms=5),
        participant="sub-01",
        datatype="meg",
        parts=["a", "b"],
        parts_of="trials",
        seed=1,
    )
    assert part.epochs.metadata["stimulus"].tolist() == ["acorn", "badger", "acorn"]
    assert len(part.epochs.ch_names) == 272
