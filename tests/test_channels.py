"""Channels: the same good ones in all recordings of a participant, interpolated or left out."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from cliphba.meg.channels import choose_channels, compensate, interpolate_bads, mark_bad


def electrodes(names: list[str], bads: tuple[str, ...] = (), kind: str = "eeg") -> mne.io.RawArray:
    info = mne.create_info([*names, "EOG"], 100.0, [kind] * len(names) + ["eog"])
    info["bads"] = list(bads)
    return mne.io.RawArray(np.ones((len(names) + 1, 200)), info, verbose="error")


def test_what_is_bad_anywhere_is_left_out_everywhere() -> None:
    raws = [electrodes(["Fz", "Cz", "Pz", "Oz"], ("Cz",)), electrodes(["Oz", "Pz", "Cz", "Fz"])]
    mark_bad(raws, ["Oz"])
    assert raws[0].info["bads"] == ["Cz", "Oz"]
    assert choose_channels(raws, datatype="eeg", interpolate=False) == ["Fz", "Pz"]
    assert choose_channels(raws[1:], datatype="eeg", interpolate=False) == ["Pz", "Cz", "Fz"]


def test_what_is_bad_in_some_recordings_is_interpolated_and_what_is_bad_in_all_is_not() -> None:
    raws = [electrodes(["Fz", "Cz", "Pz", "Oz"], ("Cz", "Oz")), electrodes(["Fz", "Cz", "Oz", "Iz"], ("Oz",))]
    assert choose_channels(raws, datatype="eeg", interpolate=True) == ["Fz", "Cz"]


def test_unknown_channels_are_refused_with_those_of_similar_names() -> None:
    raws = [electrodes(["MLO11", "MRO11"]), electrodes(["MLO11", "MRO11", "MRO12"])]
    mark_bad(raws, ["MRO12"])
    assert [raw.info["bads"] for raw in raws] == [[], ["MRO12"]]
    with pytest.raises(ValueError, match=r"bad_channels: there is no channel MRO13, but MRO1"):
        mark_bad(raws, ["MRO13"])


def test_nothing_left_is_refused() -> None:
    with pytest.raises(ValueError, match="no good EEG channel is in all recordings"):
        choose_channels([electrodes(["Fz"]), electrodes(["Cz"])], datatype="eeg", interpolate=False)
    with pytest.raises(ValueError, match="no good MEG channel"):
        choose_channels([electrodes(["Fz"])], datatype="meg", interpolate=False)


def test_an_electrode_is_interpolated_from_its_neighbours() -> None:
    montage = mne.channels.make_standard_montage("biosemi64")
    raw = mne.io.RawArray(np.zeros((64, 200)), mne.create_info(montage.ch_names, 100.0, "eeg"), verbose="error")
    raw.set_montage(montage)
    place = np.array([channel["loc"][:3] for channel in raw.info["chs"]])
    # as smooth a field over the head as there is: proportional to how far forward an electrode lies
    raw._data[:] = 1e-5 * place[:, 1:2] / np.abs(place).max() * np.sin(np.arange(200) / 10)
    truth = raw.get_data("CPz")
    raw._data[raw.ch_names.index("CPz")] = 1e-3
    raw.info["bads"] = ["CPz"]
    interpolate_bads(raw)
    assert raw.info["bads"] == []
    assert np.abs(raw.get_data("CPz") - truth).max() < 0.05 * np.abs(raw.get_data()).max()


def test_without_positions_nothing_is_interpolated() -> None:
    raw = electrodes(["Fz", "Cz", "Pz"], ("Cz",)).pick("eeg", exclude=())
    with pytest.raises(ValueError, match="interpolate_bad_channels: channels have no positions"):
        interpolate_bads(raw)
    interpolate_bads(electrodes(["Fz", "Cz"]))


def test_compensation_needs_reference_sensors() -> None:
    with pytest.raises(ValueError, match="gradient_compensation: this recording has no reference sensors"):
        compensate(electrodes(["MLO11"], kind="mag"), 3)
