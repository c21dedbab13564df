"""The whole chain on the tiny study, as a user would run it."""

from __future__ import annotations

import os

import pandas as pd
import pytest

import cliphba
from cliphba import tables
from tests.tiny_study import RESULTS, snakemake

pytestmark = pytest.mark.workflow


def planned(output: str) -> dict[str, int]:
    """Rules and numbers of jobs in the statistics of a dry run."""
    lines = output.partition("Job stats:")[2].partition("total")[0].splitlines()[3:]
    return {rule: int(count) for rule, count in (line.split() for line in lines if line.strip())}


def test_everything_promised_is_there(study):
    results = study / RESULTS
    for figure in ("behavior", "alignment", "reweighting", "identification", "decoding"):
        assert (results / f"figures/{figure}.svg").stat().st_size > 1000
        assert "Simulated data" in (results / f"figures/{figure}.svg").read_text()
        assert (results / f"figures/{figure}.png").stat().st_size > 1000
    summary = tables.read(results / "summary.parquet", "summary")
    assert {
        "behavior_rho",
        "alignment_auc",
        "alignment_auc_difference",
        "baseline_rho",
        "identification_accuracy",
        "identification_margin",
    } <= set(summary["metric"])
    assert (summary["low"] <= summary["value"] + 1e-9).all()
    assert (summary["value"] <= summary["high"] + 1e-9).all()


def test_a_second_run_has_nothing_to_do(study):
    assert "Nothing to be done" in snakemake(study, "all")


def test_one_participant_again_is_one_job(study):
    target = str(RESULTS / "models/sub-02.safetensors")
    assert planned(snakemake(study, target, "-f", "-n")) == {"tune_individual": 1}


def test_same_seed_same_bytes(study):
    target = RESULTS / "models/sub-02.safetensors"
    before = (study / target).read_bytes()
    snakemake(study, str(target), "-f")
    assert (study / target).read_bytes() == before
    # nothing downstream is made again for a checkpoint that has the same bytes
    assert "Nothing to be done" in snakemake(study, "all")


def test_changed_recording_reruns_its_participant_and_the_group_only(study):
    recording = next((study / RESULTS / "source/bids/sub-03").glob("ses-02/meg/*_meg.fif"))
    content, times = recording.read_bytes(), recording.stat()
    try:
        # larger than any checksum is taken of would be slow: one flipped byte of padding is change enough
        recording.write_bytes(content + b"\0")
        jobs = planned(snakemake(study, "all", "-n"))
    finally:
        recording.write_bytes(content)
        os.utime(recording, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert jobs == {
        "all": 1,
        "preprocess": 1,
        "decode_rdm": 1,
        "decode_test_rdm": 1,
        "initialise_reweighting": 1,
        "tune_group": 1,
        "tune_individual": 3,
        "embed": 1,
        "evaluate": 1,
        "describe_decoding": 1,
        "draw_figure": 5,
    }


def test_personal_model_from_python(study, monkeypatch):
    monkeypatch.chdir(study)
    model = cliphba.load(RESULTS / "models/sub-01.safetensors")
    images = sorted((RESULTS / "source/images").glob("*.png"))[:5]
    embedding, rdms = model.embed(images), model.rdms(images)
    assert embedding.values.shape == (len(embedding.times_ms), 5, 18)
    assert rdms.values.shape == (len(embedding.times_ms), 10)
    stored = tables.read_embedding(RESULTS / "embeddings/sub-01.parquet")
    assert stored.stimuli[:5] == embedding.stimuli
    assert abs(stored.values[:, :5] - embedding.values).max() < 1e-3 * abs(stored.values).max()


def test_nothing_of_training_is_held_out(study):
    stimuli = tables.read(study / RESULTS / "source/stimuli.parquet", "stimuli")
    recordings = tables.read(study / RESULTS / "source/recordings.parquet", "recordings")
    assert not stimuli["stimulus"].duplicated().any()
    halves = {half: set(part["session"]) for half, part in recordings.groupby("half")}
    assert not halves["train"] & halves["test"]
    for half, sessions in halves.items():
        rdms = tables.read_rdms(study / RESULTS / f"rdm/sub-01_{half}.parquet")
        assert set(rdms.metadata["sessions"]) == sessions


def test_provenance_travels_with_results(study):
    metadata = tables.read(study / RESULTS / "summary.parquet", "summary").attrs
    assert metadata["settings"]["seed"] >= 0
    assert {"cliphba", "numpy", "torch", "mne"} <= set(metadata["versions"])
    assert len(metadata["inputs"]) > 5


def test_report_is_made(study):
    snakemake(study, "--report", "report.html")
    assert (study / "report.html").stat().st_size > 10_000


def test_every_trial_is_accounted_for(study):
    trials = pd.concat(
        tables.read(path, "trials") for path in (study / RESULTS / "epochs").glob("*/*_trials.parquet")
    )
    assert (trials["kept"] <= trials["recorded"]).all()
    assert (trials["kept"] > 0.7 * trials["recorded"]).all()
