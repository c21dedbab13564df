"""Eyes and heart: planted blinks and heartbeats are found, taken out, and nothing else is."""

from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest

from cliphba.config import IndependentComponents
from cliphba.meg.artefacts import auxiliary_channels, remove_artefacts
from tests.raws import run

RATE_HZ, SECONDS, SENSORS = 100.0, 120, 20


def pulses(per_second: float, width_s: float, generator: np.random.Generator) -> np.ndarray:
    """A train of bumps at irregular times."""
    time = np.arange(int(RATE_HZ * SECONDS)) / RATE_HZ
    centre = np.cumsum(generator.uniform(0.7, 1.3, int(SECONDS * per_second)) / per_second)
    return np.exp(-0.5 * ((time - centre[:, None]) / width_s) ** 2).sum(axis=0)


@pytest.fixture(scope="module")
def planted() -> dict[str, np.ndarray]:
    """Activity of the brain, blinks and heartbeats, each with its own field over the sensors."""
    generator = np.random.default_rng(2)
    brain = generator.laplace(size=(12, int(RATE_HZ * SECONDS)))
    window = np.hanning(11)
    brain = np.array([np.convolve(source, window / window.sum(), mode="same") for source in brain])
    return {
        "brain": 1e-13 * generator.normal(size=(SENSORS, 12)) @ brain,
        "eyes": 2e-12 * np.outer(generator.normal(size=SENSORS), pulses(0.3, 0.08, generator)),
        "heart": 1e-12 * np.outer(generator.normal(size=SENSORS), pulses(1.2, 0.02, generator)),
        "noise": 5e-15 * generator.normal(size=(SENSORS, int(RATE_HZ * SECONDS))),
    }


def recorded(planted: dict[str, np.ndarray], parts: tuple[str, ...]) -> mne.io.RawArray:
    """Sensors that see some of it, an EOG and an ECG channel."""
    watched = [1e8 * planted["eyes"][0], 1e8 * planted["heart"][0]]
    data = np.vstack([sum(planted[part] for part in parts), *watched])
    names = [*(f"M{number}" for number in range(SENSORS)), "EOG", "ECG"]
    info = mne.create_info(names, RATE_HZ, ["mag"] * SENSORS + ["eog", "ecg"])
    return mne.io.RawArray(data, info, verbose="error")


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("method", ["fastica", "infomax"])
def test_planted_blinks_and_heartbeats_are_taken_out(planted: dict[str, np.ndarray], method: str) -> None:
    raw = recorded(planted, ("brain", "eyes", "heart", "noise"))
    truth = planted["brain"] + planted["noise"]
    before = raw.get_data("mag")
    excluded = remove_artefacts(
        raw, raw.ch_names[:SENSORS], IndependentComponents(components=14, method=method), seed=1
    )
    after = raw.get_data("mag")
    assert likeness(before, truth) < 0.5
    assert likeness(after, truth) > 0.98
    assert {organ: len(found) for organ, found in excluded.components.items()} == {"eyes": 1, "heart": 1}
    for organ, found in excluded.components.items():
        assert excluded.scores[organ].argmax() == found[0]
    np.testing.assert_array_equal(raw.get_data("eog")[0], 1e8 * planted["eyes"][0])


def test_components_are_fitted_to_no_more_samples_than_the_band_needs(planted: dict[str, np.ndarray]) -> None:
    raw = recorded(planted, ("brain", "eyes", "heart", "noise")).filter(None, 8.0, verbose="error")
    truth = recorded(planted, ("brain", "noise")).filter(None, 8.0, verbose="error").get_data("mag")
    excluded = remove_artefacts(raw, raw.ch_names[:SENSORS], IndependentComponents(components=14), seed=1)
    assert excluded.ica.n_samples_ == RATE_HZ * SECONDS / 3
    assert likeness(raw.get_data("mag"), truth) > 0.98


def test_only_what_is_looked_for_is_taken_out(planted: dict[str, np.ndarray]) -> None:
    raw = recorded(planted, ("brain", "eyes", "heart", "noise"))
    excluded = remove_artefacts(raw, raw.ch_names[:SENSORS], IndependentComponents(components=14, ecg=None), seed=1)
    assert set(excluded.components) == {"eyes"}
    assert likeness(raw.get_data("mag"), planted["brain"] + planted["heart"]) > 0.98


def test_without_artefacts_hardly_anything_is_lost(planted: dict[str, np.ndarray]) -> None:
    raw = recorded(planted, ("brain", "noise"))
    before = raw.get_data("mag")
    remove_artefacts(raw, raw.ch_names[:SENSORS], IndependentComponents(components=14), seed=1)
    assert likeness(raw.get_data("mag"), before) > 0.98


def test_too_few_components_for_one_to_stand_out_are_refused(planted: dict[str, np.ndarray]) -> None:
    raw = recorded(planted, ("brain", "eyes", "noise"))
    with pytest.raises(ValueError, match=r"ica.components: the 10 components are too few"):
        remove_artefacts(raw, raw.ch_names[:SENSORS], IndependentComponents(components=10), seed=1)


def test_the_same_seed_gives_the_same(planted: dict[str, np.ndarray]) -> None:
    settings = IndependentComponents(components=0.9999)
    raws = [recorded(planted, ("brain", "eyes", "noise")) for _ in range(2)]
    for raw in raws:
        remove_artefacts(raw, raw.ch_names[:SENSORS], settings, seed=4)
    np.testing.assert_array_equal(raws[0].get_data(), raws[1].get_data())


def test_epochs_of_a_participant_who_blinks(planted: dict[str, np.ndarray]) -> None:
    """Through the whole of preprocessing: EOG and ECG help and do not become patterns."""
    raw = recorded(planted, ("brain", "eyes", "heart", "noise"))
    clean = recorded(planted, ("brain", "noise"))
    events = pd.DataFrame({"onset": np.arange(5.0, 110, 1.5), "stimulus": "a"})
    done = run(raw, events, ica={"components": 14})
    dirty, truth = (run(one, events).epochs.get_data() for one in (raw, clean))
    assert done.epochs.get_channel_types(unique=True) == ["mag"]
    assert likeness(dirty, truth) < 0.6
    assert likeness(done.epochs.get_data(), truth) > 0.97
    assert done.source.excluded is not None
    assert run(raw, events).source.excluded is None


def test_channels_that_see_eyes_and_heart() -> None:
    info = mne.create_info(["A", "B", "EOG1", "EOG2", "ECG"], 100.0, ["mag", "eeg", "eog", "eog", "ecg"])
    raw = mne.io.RawArray(np.zeros((5, 10)), info, verbose="error")
    assert auxiliary_channels(raw, ["A"], IndependentComponents()) == []
    assert auxiliary_channels(raw, ["A"], IndependentComponents(components=5)) == ["EOG1", "EOG2", "ECG"]
    named = IndependentComponents(components=5, eog=["B"], ecg=None)
    assert auxiliary_channels(raw, ["A"], named) == ["B"]
    with pytest.raises(ValueError, match=r"ica.ecg: there is no channel X; channels are A, B"):
        auxiliary_channels(raw, ["A"], IndependentComponents(components=5, ecg="X"))
    without = raw.copy().pick(["A", "B"])
    with pytest.raises(ValueError, match=r"ica.eog: there is no channel of type EOG"):
        auxiliary_channels(without, ["B"], IndependentComponents(components=5))
    # magnetometers see the heart, but only if they are analysed
    assert auxiliary_channels(without, ["A"], IndependentComponents(components=5, eog=None)) == []
    with pytest.raises(ValueError, match=r"ica.ecg: there is no channel of type ECG, and no MEG"):
        auxiliary_channels(without, ["B"], IndependentComponents(components=5, eog=None))
