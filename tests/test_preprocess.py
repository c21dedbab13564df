"""Preprocessing: what passes the filter, where epochs lie, what is rejected, what is refused."""

import logging
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.meg.preprocess import preprocess, read_recording
from cliphba.meg.read import gather_sessions, open_sessions
from cliphba.simulate.recordings import describe_dataset, write_session

RATE_HZ = 200.0
OPTIONS = {
    "session": "01",
    "band_hz": (0.1, 20.0),
    "notch_hz": 50.0,
    "epoch_ms": (-100.0, 600.0),
    "baseline_ms": (-100.0, 0.0),
    "step_ms": 20.0,
    "rejection": None,
}


@pytest.fixture
def events() -> pd.DataFrame:
    onset = 5 + 0.8 * np.arange(40)
    return pd.DataFrame({"onset": onset, "stimulus": [f"image-{number % 8}" for number in range(40)]})


def record(
    events: pd.DataFrame, *, rate: float = RATE_HZ, kinds: tuple[str, ...] = ("mag", "mag", "eeg")
) -> mne.io.RawArray:
    """Noise, the mains, and in the first channel a pulse of 50 ms that is centred 200 ms after each onset."""
    generator = np.random.default_rng(0)
    time = np.arange(int(42 * rate)) / rate
    data = 1e-15 * generator.normal(size=(len(kinds), len(time))) + 1e-12 * np.sin(2 * np.pi * 50 * time)
    lag = time[None] - events["onset"].to_numpy()[:, None] - 0.2
    data[0] += 1e-12 * np.exp(-0.5 * (lag / 0.05) ** 2).sum(axis=0)
    return mne.io.RawArray(data, mne.create_info(len(kinds), rate, list(kinds)), verbose="error")


def test_epochs_keep_the_signal_at_its_time_and_lose_the_mains(events: pd.DataFrame) -> None:
    epochs = preprocess(record(events), events, **OPTIONS)
    np.testing.assert_allclose(epochs.times, np.arange(-0.1, 0.601, 0.02), atol=1e-9)
    evoked = epochs.get_data().mean(axis=0)
    assert epochs.times[evoked[0].argmax()] == pytest.approx(0.2)
    assert np.ptp(evoked[0]) == pytest.approx(1e-12, rel=0.1)
    assert np.abs(evoked[1:]).max() < 0.02e-12
    assert epochs.metadata.columns.tolist() == ["stimulus", "session", "trial"]
    assert epochs.metadata["stimulus"].tolist() == events["stimulus"].tolist()
    # Not exactly zero: MNE takes the mean of the baseline before it decimates.
    assert np.abs(epochs.get_data()[:, :, epochs.times <= 0].mean(axis=2)).max() < 1e-15


def test_mains_within_the_band_are_notched_out(events: pd.DataFrame) -> None:
    wide = OPTIONS | {"band_hz": (0.1, 80.0), "step_ms": 5.0}
    power = {}
    for notch_hz in (None, 50.0):
        epochs = preprocess(record(events), events, **wide | {"notch_hz": notch_hz})
        power[notch_hz] = float(epochs.get_data(picks=[1]).std())
    assert power[None] > 0.5e-12
    assert power[50.0] < 0.05e-12


def test_a_rate_that_is_no_multiple_of_the_step_is_resampled(events: pd.DataFrame) -> None:
    epochs = preprocess(record(events, rate=233.0), events, **OPTIONS)
    np.testing.assert_allclose(epochs.times, np.arange(-0.1, 0.601, 0.02), atol=1e-9)
    evoked = epochs.get_data().mean(axis=0)
    assert epochs.times[evoked[0].argmax()] == pytest.approx(0.2)


def test_outlying_trials_are_rejected_and_counted(events: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    raw = record(events)
    start = int((events["onset"][7] + 0.1) * RATE_HZ)
    raw._data[2, start : start + 20] += 50e-12
    with caplog.at_level(logging.INFO):
        epochs = preprocess(raw, events, **OPTIONS | {"rejection": 8.0})
    assert sorted(set(range(40)) - set(epochs.metadata["trial"])) == [7]
    assert "1 of 40 trials rejected" in caplog.text


def test_picks_choose_channels_and_trials_off_the_recording_are_reported(
    events: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    late = pd.concat([events, pd.DataFrame({"onset": [41.9], "stimulus": ["image-0"]})], ignore_index=True)
    epochs = preprocess(record(events), late, **OPTIONS | {"picks": "eeg"})
    assert epochs.get_channel_types() == ["eeg"]
    assert len(epochs) == 40
    assert "1 of 41 trials are cut off" in caplog.text


def test_scaling_makes_unlike_channels_alike(events: pd.DataFrame) -> None:
    raw = record(events)
    raw._data[2] *= 1e6
    scaled = gather_sessions([preprocess(raw, events, **OPTIONS)]).patterns(0, 36)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[:, :, :5].std(axis=(0, 2)), 1, rtol=1e-4)


def test_scaling_refuses_a_flat_channel(events: pd.DataFrame) -> None:
    raw = record(events)
    raw._data[1] = 0
    with pytest.raises(ValueError, match="channels 1 are flat"):
        gather_sessions([preprocess(raw, events, **OPTIONS)])


def test_scaling_refuses_epochs_without_a_baseline(events: pd.DataFrame) -> None:
    epochs = preprocess(record(events), events, **OPTIONS | {"epoch_ms": (0.0, 600.0), "baseline_ms": (0.0, 40.0)})
    with pytest.raises(ValueError, match="epoch_ms"):
        gather_sessions([epochs])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"band_hz": (0.1, 40.0)}, "band_hz.* to 20 "), ({"step_ms": 40.0}, "band_hz.* to 10 ")],
)
def test_refuses_a_band_that_would_fold_back(events: pd.DataFrame, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preprocess(record(events), events, **OPTIONS | change)


def test_refuses_events_without_stimuli_or_off_the_recording(events: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="lacks the columns stimulus"):
        preprocess(record(events), events.drop(columns="stimulus"), **OPTIONS)
    with pytest.raises(ValueError, match="no trial"):
        preprocess(record(events), events.assign(onset=events["onset"] + 1000), **OPTIONS)
    with pytest.raises(ValueError, match="same onset"):
        preprocess(record(events), events.assign(onset=10.0), **OPTIONS)


def test_reads_what_was_written(tmp_path: Path, events: pd.DataFrame) -> None:
    written = events.assign(sample=(events["onset"] * RATE_HZ).round().astype(int), trial=np.arange(40))
    raw = record(events, kinds=("mag", "mag"))
    for channel in raw.info["chs"]:
        channel["cal"] = 1e-16
    write_session(raw, written, root=tmp_path, participant="sub-03", session=2)
    describe_dataset(tmp_path, ["sub-03"])
    read, table = read_recording(root=tmp_path, participant="sub-03", session="02", task="pictures")
    assert table["stimulus"].tolist() == events["stimulus"].tolist()
    np.testing.assert_allclose(table["onset"], events["onset"])
    np.testing.assert_allclose(read.get_data(), raw.get_data(), atol=1e-16)


def test_refuses_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no recording"):
        read_recording(root=tmp_path, participant="sub-03", session="02", task="pictures")


def test_sessions_are_gathered_over_their_common_channels(events: pd.DataFrame) -> None:
    first = preprocess(record(events), events, **OPTIONS)
    second = preprocess(record(events), events, **OPTIONS | {"session": "02", "picks": ["2", "0"]})
    gathered = gather_sessions([first, second])
    patterns, trials, time_ms = gathered.patterns(0, 36), gathered.trials, gathered.times_ms
    assert patterns.shape == (80, 2, 36)
    np.testing.assert_array_equal(patterns[:40], patterns[40:])
    assert trials["session"].tolist() == ["01"] * 40 + ["02"] * 40
    assert time_ms[[0, 5, -1]].tolist() == [-100, 0, 600]


def test_blocks_read_from_files_are_those_in_memory(tmp_path: Path, events: pd.DataFrame) -> None:
    sessions = [preprocess(record(events), events, **OPTIONS | {"session": name}) for name in ("01", "02")]
    paths = [tmp_path / f"ses-{epochs.metadata['session'].iloc[0]}_epo.fif" for epochs in sessions]
    for epochs, path in zip(sessions, paths, strict=True):
        epochs.save(path, verbose="error")
    read = open_sessions(paths)
    assert not any(epochs.preload for epochs in read.epochs)
    assert read.bytes_of_a_time == 4 * 80 * 3
    whole = gather_sessions(sessions).patterns(0, 36)
    parts = [read.patterns(start, stop) for start, stop in ((0, 1), (1, 30), (30, 36))]
    np.testing.assert_allclose(np.concatenate(parts, axis=2), whole, rtol=1e-5, atol=1e-5)


def test_gathering_refuses_sessions_that_do_not_fit(events: pd.DataFrame) -> None:
    epochs = preprocess(record(events), events, **OPTIONS)
    with pytest.raises(ValueError, match="no sessions"):
        gather_sessions([])
    with pytest.raises(ValueError, match="epoch_ms"):
        gather_sessions([epochs, epochs.copy().crop(-0.1, 0.3)])
    with pytest.raises(ValueError, match="picks"):
        gather_sessions([epochs.copy().pick(["0"]), epochs.copy().pick(["1"])])
