"""The page of a participant: all that a reader needs, in one file that needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import mne
import numpy as np
import pytest

from cliphba.figures import participant_page
from cliphba.meg.participant import preprocess_participant
from cliphba.meg.preprocess import Recording
from cliphba.meg.spectrum import compare_channels, measure_spectrum
from tests import browser
from tests.raws import GRID, record, recording, settings, shown


def electrodes(seed: int, *, placed: bool) -> Recording:
    """Electrodes that all see the pulse, blinks and the mains; an EOG that sees the blinks; a jump; noise."""
    events = shown(40)
    montage = mne.channels.make_standard_montage("biosemi32")
    raw = record(events, kinds=["eeg"] * 32 + ["eog"], seed=seed)
    raw.rename_channels(dict(zip(raw.ch_names, [*montage.ch_names, "EOG"], strict=True)))
    if placed:
        raw.set_montage(montage)
    generator = np.random.default_rng(seed)
    blinks = sum(np.exp(-0.5 * ((raw.times - centre) / 0.08) ** 2) for centre in np.arange(2.0, 40, 3.3))
    raw._data *= 1e6
    raw._data += 2e-7 * generator.normal(size=raw._data.shape)
    raw._data[:32] += 1e-4 * np.exp(-np.arange(32) / 4)[:, None] * blinks
    raw._data[32] += 3e-4 * blinks
    raw._data[raw.ch_names.index("Pz")] += (2e-6 if seed else 4e-6) * generator.normal(size=raw.n_times)
    raw.set_annotations(mne.Annotations(events["onset"][3], 0.1, "BAD_jump"))
    raw.info["bads"] = ["Oz"] if seed else []
    return recording(raw, events, run=f"run-{seed}")


@pytest.fixture(scope="module", params=["placed", "z-scored, no positions"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    placed = request.param == "placed"
    chosen = settings(ica={"components": 12, "ecg": None}, baseline="mean" if placed else "z_score")
    found = preprocess_participant(
        [electrodes(seed, placed=placed) for seed in (0, 1)],
        chosen,
        GRID,
        participant="sub-07",
        datatype="eeg",
        parts=["run-0", "run-1"],
        parts_of="runs",
        seed=1,
        with_spectra=True,
    )
    parts = [participant_page.summarise(part, "sub-07") for part in found]
    path = tmp_path_factory.mktemp("page") / "sub-07_report.html"
    participant_page.save(participant_page.make("sub-07", parts, chosen), path)
    return path


def test_what_was_recorded_and_lost_is_told(page: Path) -> None:
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.read_text()))
    assert "Recordings of sub-07" in told
    assert "Trials kept 78 of 80 (97.5%)" in told
    assert "Part Recorded Kept Annotated as bad run-0 40 39 1 run-1 40 39 1" in told
    assert "31 electrodes" in told
    assert "Session Run Bad channels ses-01 run-1 Oz" in told
    assert re.search(r"Channel Least Most Pz (9|10|11)\.\d+ (19|20|21)\.\d+ (?!P|O|C)", told)
    assert re.search(r"Session Run Components Eyes ses-01 run-0 12 no. \d+ ses-01 run-1 12 no. \d+", told)
    assert "line_hz 50.0" in told
    placed = "Topographies of eyes and heart" in told
    assert placed == ("baseline &quot;mean&quot;" in told or 'baseline "mean"' in told)


def test_it_needs_no_network_and_names_no_place(page: Path, tmp_path: Path) -> None:
    content = page.read_text()
    assert len(content) < 5e6
    assert not [place for place in (str(page.parent), str(Path.home()), str(Path.cwd())) if place in content]
    binary = browser.find()
    if not binary:
        pytest.skip(f"there is no Chromium to open the page with (sought: {', '.join(browser.NAMES)})")
    with browser.page(binary, tmp_path) as shown_page:
        shown_page.open(page)
        assert shown_page.run("[...document.images].filter((image) => image.naturalWidth > 300).length") >= 3
        assert {address.partition(":")[0] for address in shown_page.requests()} == {"file", "data"}
        assert not shown_page.errors()


def test_a_spectrum_has_the_amplitude_of_what_was_planted() -> None:
    """A sine of amplitude a has the power a^2 / 2, all of it within a peak of Welch's windows."""
    rate, amplitude = 200.0, 3e-12
    time = np.arange(int(200 * rate)) / rate
    data = np.vstack([amplitude * np.sin(2 * np.pi * 50 * time)] * 2 + [np.zeros_like(time)])
    raw = mne.io.RawArray(data, mne.create_info(["A", "B", "C"], rate, ["mag", "mag", "eeg"]), verbose="error")
    table = measure_spectrum(raw, ["A", "B", "C"])
    mags = table[table["channel_type"] == "mag"].set_index("hz")["density"]
    assert mags.idxmax() == 50
    power = (mags**2).sum() * 0.5
    assert power == pytest.approx(amplitude**2 / 2, rel=0.02)
    assert not table.loc[table["channel_type"] == "eeg", "density"].any()


def test_noisy_and_dead_channels_differ_from_others_of_their_type() -> None:
    noise = np.random.default_rng(0).normal(size=(6, 20_000))
    data = np.array([1, 1, 1, 8, 0, 1e9])[:, None] * noise
    kinds = ["mag", "mag", "mag", "mag", "mag", "eeg"]
    raw = mne.io.RawArray(data, mne.create_info([*"ABCDEF"], 200.0, kinds), verbose="error")
    strengths = compare_channels(raw, [*"ABCDEF"])
    assert dict(strengths) == pytest.approx({"A": 1, "B": 1, "C": 1, "D": 8, "E": 0, "F": 1}, rel=0.05)
