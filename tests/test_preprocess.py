"""Preprocessing: what passes the filter, where epochs lie, what is rejected, what is refused."""

from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.config import TimeGrid
from cliphba.meg.read import gather_sessions, open_sessions
from tests.raws import RATE_HZ, record, run, shown


@pytest.fixture
def events() -> pd.DataFrame:
    return shown()


def test_epochs_keep_the_signal_at_its_time_and_lose_the_mains(events: pd.DataFrame) -> None:
    epochs = run(record(events), events).epochs
    np.testing.assert_allclose(epochs.times, np.arange(-0.1, 0.601, 0.02), atol=1e-9)
    evoked = epochs.get_data().mean(axis=0)
    assert epochs.times[evoked[0].argmax()] == pytest.approx(0.2)
    assert np.ptp(evoked[0]) == pytest.approx(1e-12, rel=0.1)
    assert np.abs(evoked[1:]).max() < 0.02e-12
    assert epochs.metadata.columns.tolist() == ["stimulus", "session", "run", "trial"]
    assert epochs.metadata["stimulus"].tolist() == events["stimulus"].tolist()
    # Not exactly zero: MNE takes the mean of the baseline before it decimates.
    assert np.abs(epochs.get_data()[:, :, epochs.times <= 0].mean(axis=2)).max() < 1e-15


def test_the_column_of_an_optical_sensor_and_a_delay_move_the_response(events: pd.DataFrame) -> None:
    raw = record(events)
    events["sensor"] = events["onset"] + 0.06
    peaks = {}
    for name, choice in {"sensor": {"onset": "sensor"}, "delay": {"delay_ms": 60}, "both": {}}.items():
        epochs = run(raw, events, choice=choice).epochs
        peaks[name] = epochs.times[epochs.get_data().mean(axis=0)[0].argmax()]
    assert peaks == pytest.approx({"sensor": 0.14, "delay": 0.14, "both": 0.2})


def test_the_mean_of_a_shorter_baseline_is_subtracted(events: pd.DataFrame) -> None:
    raw = record(events)
    raw._data[1] += 1e-12 * (raw.times % 0.8)
    epochs = run(raw, events, baseline_ms=[-40, 0]).epochs
    evoked = epochs.get_data().mean(axis=0)[1]
    inside = (epochs.times > -0.041) & (epochs.times < 0.001)
    assert abs(evoked[inside].mean()) < 3e-15
    # the ramp is steep enough that the usual baseline would have another mean
    assert abs(evoked[epochs.times < 0.001].mean()) > 1e-14


def test_z_scores_are_those_of_the_undecimated_baseline(events: pd.DataFrame) -> None:
    """THINGS-MEG is decimated after it was scored: a baseline of few samples would say little of its deviation."""
    mean, scored = (run(record(events), events, baseline=kind).epochs for kind in ("mean", "z_score"))
    every_sample = TimeGrid(start_ms=-100, stop_ms=600, step_ms=5)
    before = run(record(events), events, grid=every_sample).epochs
    before = before.get_data()[:, :, before.times < 1e-6]
    assert before.shape[2] == 21
    np.testing.assert_allclose(scored.get_data(), mean.get_data() / before.std(axis=2)[:, :, None], rtol=1e-9)
    assert scored.metadata.equals(mean.metadata)


def test_z_scores_refuse_a_flat_channel(events: pd.DataFrame) -> None:
    raw = record(events)
    raw._data[1] = 0
    with pytest.raises(ValueError, match="channels 1 are flat"):
        run(raw, events, baseline="z_score")


def test_mains_within_the_band_are_notched_out(events: pd.DataFrame) -> None:
    fine = TimeGrid(start_ms=-100, stop_ms=600, step_ms=5)
    power = {}
    for line_hz in (None, 50.0):
        epochs = run(record(events), events, grid=fine, low_pass_hz=80, line_hz=line_hz).epochs
        power[line_hz] = float(epochs.get_data(picks=[1]).std())
    assert power[None] > 0.5e-12
    assert power[50.0] < 0.05e-12


def test_a_rate_that_is_no_multiple_of_the_step_is_resampled(events: pd.DataFrame) -> None:
    epochs = run(record(events, rate=233.0), events).epochs
    np.testing.assert_allclose(epochs.times, np.arange(-0.1, 0.601, 0.02), atol=1e-9)
    evoked = epochs.get_data().mean(axis=0)
    assert epochs.times[evoked[0].argmax()] == pytest.approx(0.2)


def test_every_lost_trial_has_its_reason(events: pd.DataFrame) -> None:
    raw = record(events)
    raw._data += 3e-13 * np.random.default_rng(1).normal(size=raw._data.shape)
    for trial, size in {7: 50e-12, 11: 4e-12}.items():
        start = int((events["onset"][trial] + 0.1) * RATE_HZ)
        # as much up as down, so that the high-pass lets nothing of it reach other trials
        raw._data[1, start : start + 20] += size * np.sin(np.pi * np.arange(20) / 10)
    raw.set_annotations(mne.Annotations(events["onset"][20], 0.1, "BAD_jump"))
    late = pd.concat([events, pd.DataFrame({"onset": [50.0, np.nan], "stimulus": "image-0"})], ignore_index=True)
    done = run(raw, late, rejection_peak_to_peak={"mag": 20e-12}, rejection_deviations=8)
    lost = done.trials.loc[done.trials["outcome"] != "kept", "outcome"]
    assert lost.to_dict() == {7: "amplitude", 11: "range", 20: "annotated", 40: "cut_off", 41: "no_onset"}
    assert done.epochs.metadata["trial"].tolist() == done.trials.index[done.trials["outcome"] == "kept"].tolist()


def test_only_channels_of_the_datatype_become_patterns(events: pd.DataFrame) -> None:
    raw = record(events, kinds=("mag", "eeg", "eog", "ref_meg", "stim", "misc"))
    raw.info["bads"] = []
    assert run(raw, events, datatype="eeg").epochs.ch_names == ["1"]
    assert run(raw, events).epochs.ch_names == ["0"]


def test_electrodes_that_are_referred_to_their_mean_sum_to_zero(events: pd.DataFrame) -> None:
    raw = record(events, kinds=("eeg",) * 25)
    raw._data += 1e-12 * np.random.default_rng(1).normal(size=raw.n_times)
    epochs = run(raw, events, datatype="eeg", reference="average", bad_channels=["24"]).epochs
    assert len(epochs.ch_names) == 24
    assert np.abs(epochs.get_data().sum(axis=1)).max() < 1e-12 * np.abs(epochs.get_data()).max()
    single = run(raw, events, datatype="eeg", reference=["3"]).epochs
    assert np.abs(single.get_data(picks=["3"])).max() < 1e-25
    with pytest.raises(ValueError, match=r"reference: there is no good electrode 24"):
        run(raw, events, datatype="eeg", reference=["24"], bad_channels=["24"])
    with pytest.raises(ValueError, match=r"reference: there is no EEG"):
        run(record(events), events, reference="average")


def test_scaling_makes_unlike_channels_alike(events: pd.DataFrame) -> None:
    raw = record(events)
    raw._data[1] *= 1e6
    scaled = gather_sessions([run(raw, events).epochs]).patterns(0, 36)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[:, :, :5].std(axis=(0, 2)), 1, rtol=1e-4)


def test_scaling_refuses_a_flat_channel(events: pd.DataFrame) -> None:
    raw = record(events)
    raw._data[1] = 0
    with pytest.raises(ValueError, match="channels 1 are flat"):
        gather_sessions([run(raw, events).epochs])


def test_scaling_refuses_epochs_without_a_baseline(events: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="fewer than two samples"):
        gather_sessions([run(record(events), events).epochs.crop(0, 0.6)])


def test_refuses_a_band_that_would_fold_back(events: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"low_pass_hz.* to 20 "):
        run(record(events), events, low_pass_hz=40)


def test_refuses_trials_at_the_same_time_or_off_the_recording(events: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"no trial is left .*40 cut off"):
        run(record(events), events.assign(onset=events["onset"] + 1000))
    with pytest.raises(ValueError, match="same onset"):
        run(record(events), events.assign(onset=10.0))


def test_refuses_thresholds_of_channels_that_are_not_there(events: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"rejection_peak_to_peak: no channel is of type grad, but of mag"):
        run(record(events), events, rejection_peak_to_peak={"grad": 1e-10})


def test_sessions_are_gathered_over_their_common_channels(events: pd.DataFrame) -> None:
    first = run(record(events, kinds=["mag"] * 3), events).epochs
    second = run(record(events, kinds=["mag"] * 3), events, session="ses-02", bad_channels=["1"]).epochs
    gathered = gather_sessions([first, second])
    patterns, trials, time_ms = gathered.patterns(0, 36), gathered.trials, gathered.times_ms
    assert patterns.shape == (80, 2, 36)
    np.testing.assert_array_equal(patterns[:40], patterns[40:])
    assert trials["session"].tolist() == ["ses-01"] * 40 + ["ses-02"] * 40
    assert time_ms[[0, 5, -1]].tolist() == [-100, 0, 600]


def test_blocks_read_from_files_are_those_in_memory(tmp_path, events: pd.DataFrame) -> None:
    sessions = [run(record(events, kinds=["mag"] * 3), events, session=name).epochs for name in ("ses-01", "ses-02")]
    paths = [tmp_path / f"{epochs.metadata['session'].iloc[0]}_epo.fif" for epochs in sessions]
    for epochs, path in zip(sessions, paths, strict=True):
        epochs.save(path, verbose="error")
    read = open_sessions(paths)
    assert not any(epochs.preload for epochs in read.epochs)
    assert read.bytes_of_a_time == 4 * 80 * 3
    whole = gather_sessions(sessions).patterns(0, 36)
    parts = [read.patterns(start, stop) for start, stop in ((0, 1), (1, 30), (30, 36))]
    np.testing.assert_allclose(np.concatenate(parts, axis=2), whole, rtol=1e-5, atol=1e-5)


def test_gathering_refuses_sessions_that_do_not_fit(events: pd.DataFrame) -> None:
    epochs = run(record(events), events).epochs
    with pytest.raises(ValueError, match="no sessions"):
        gather_sessions([])
    with pytest.raises(ValueError, match="with the same grid"):
        gather_sessions([epochs, epochs.copy().crop(-0.1, 0.3)])
    with pytest.raises(ValueError, match="picks"):
        gather_sessions([epochs.copy().pick(["0"]), epochs.copy().pick(["1"])])
