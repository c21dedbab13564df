"""A study that the code has never seen, from a copy of the template, as docs/your-own-data.md says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

import cliphba
from cliphba import tables
from cliphba.config import load_study
from cliphba.figures.catalogue import CATALOGUE
from tests import eeg_study, own_study
from tests.own_study import CONFIG, RESULTS
from tests.tiny_study import snakemake


def test_every_block_of_the_guide_can_be_put_into_the_template() -> None:
    whole, *others = own_study.blocks()
    assert whole["name"] == "objects"
    assert len(others) >= 3
    for block in others:
        load_study(own_study.edited(whole, block))


def test_settings_that_the_guide_names_are_there() -> None:
    study = load_study(own_study.edited(own_study.blocks()[0]))
    rows = own_study.GUIDE.read_text().partition("## Preprocessing")[2].partition("\n## ")[0].splitlines()
    named = [
        part.split(":")[0] for row in rows if row.startswith("| `") for part in row.split("|")[1].split("`")[1::2]
    ]
    assert len(named) > 5
    assert set(named) <= set(type(study.preprocessing).model_fields)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository in which the study was run from its recordings to its figures."""
    folder = tmp_path_factory.mktemp("own") / "repository"
    own_study.prepare(folder)
    snakemake(folder, "all", config=CONFIG)
    yield folder


@pytest.mark.workflow
class TestRun:
    """What the run gave."""

    def test_check_finds_nothing_to_mend(self, own: Path) -> None:
        said = subprocess.run(
            [sys.executable, "-m", "cliphba", "check", str(CONFIG)],
            cwd=own,
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stdout + said.stderr
        for found in (
            "12 recordings of 3 of 3 participants",
            "run-1, run-3",
            "250 Hz",
            "eeg 32, eog 1",
            "no problem",
        ):
            assert found in said.stdout

    def test_pictures_can_be_told_apart_when_brains_respond(self, own: Path) -> None:
        decoding = tables.read(own / RESULTS / "evaluation/decoding.parquet", "decoding")
        course = decoding.groupby("time_ms")["value"].mean()
        assert abs(course.loc[:0].mean() - 0.5) < 0.03
        # the first of two responses peaks 120 ms after the picture; counted from the trigger, it would be 144
        assert abs(course.loc[60:190].idxmax() - 1000 * eeg_study.PEAKS_S[0]) <= 10
        assert course.max() > 0.6

    def test_halves_are_made_of_runs_and_the_results_say_so(self, own: Path) -> None:
        rdms = tables.open_rdms(own / RESULTS / "rdm/sub-01_train.parquet")
        assert rdms.metadata["sessions"] == ["run-1", "run-3"]
        summary = tables.read(own / RESULTS / "summary.parquet", "summary")
        of_models = (summary["metric"] == "alignment_auc") & summary["model"].isin(["clip", "behavior", "group"])
        assert summary.loc[of_models, "independent_data"].tolist() == [True] * 3
        for text in (own / RESULTS / "summary.md", own / RESULTS / "figures/alignment.svg"):
            assert "runs" in text.read_text()
            assert "Simulated" not in text.read_text()

    def test_bad_channel_and_eye_channel_are_no_pattern(self, own: Path) -> None:
        path = own / RESULTS / "epochs/sub-01/sub-01_run-1_task-pictures_epo.fif"
        epochs = mne.read_epochs(path, verbose="error")
        assert set(epochs.ch_names) == set(eeg_study.CHANNELS) - {eeg_study.BAD_CHANNEL}
        np.testing.assert_allclose(epochs.get_data(copy=False).mean(axis=1), 0, atol=1e-12)

    def test_nothing_is_said_of_what_nobody_judged(self, own: Path) -> None:
        summary = tables.read(own / RESULTS / "summary.parquet", "summary")
        assert not {"behavior_rho", "odd_one_out_accuracy", "gain_recovery"} & set(summary["metric"])
        drawn = {path.stem for path in (own / RESULTS / "figures").glob("*.svg")}
        assert not {"behavior", "dynamic_behavior", "odd_one_out", "external"} & drawn
        assert {"decoding", "alignment", "individuals", "identification", "data_quality", "summary"} <= drawn
        assert drawn <= set(CATALOGUE)

    def test_everybody_has_a_page_and_a_model(self, own: Path) -> None:
        pictures: list[Any] = sorted((own / "pictures").rglob("*.jpg"))[:3]
        for number in range(1, eeg_study.PEOPLE + 1):
            person = f"sub-{number:02d}"
            assert (own / RESULTS / f"epochs/{person}/{person}_report.html").stat().st_size > 10_000
            model = cliphba.load(own / RESULTS / f"models/{person}.safetensors", backbone=own / RESULTS / "backbone")
            embedding = model.embed(pictures)
            assert embedding.values.shape[1:] == (3, 66)
            assert np.isfinite(embedding.values[embedding.times_ms > 0]).all()

    def test_trials_are_counted(self, own: Path) -> None:
        trials = tables.read(own / RESULTS / "epochs/sub-02/sub-02_trials.parquet", "trials")
        assert (trials["recorded"] == eeg_study.PICTURES * eeg_study.REPETITIONS).all()
        assert trials["kept"].between(0.8 * trials["recorded"], trials["recorded"]).all()
