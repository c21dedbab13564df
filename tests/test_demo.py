"""One full run of the demo study, and what it must show: what was put into the simulation is found again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from cliphba import tables
from tests.conftest import ROOT

pytestmark = pytest.mark.demo

RESULTS = ROOT / "results/demo"
LARGEST_MEMORY, LARGEST_DISK = 4e9, 2e9


def resident_bytes(process: psutil.Process) -> int:
    """Memory of a process and all its descendants."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@pytest.fixture(scope="module")
def demo():
    """Run the demo from nothing in the repository itself; give its largest memory over the process tree."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    run = psutil.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "8", "all"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    largest = 0

    def watch():
        nonlocal largest
        while run.poll() is None:
            largest = max(largest, resident_bytes(run))
            time.sleep(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = run.communicate()
    watcher.join()
    assert run.returncode == 0, said[-5000:]
    return largest


@pytest.fixture(scope="module")
def summary(demo):
    """The demo's headline numbers by metric and model."""
    frame = tables.read(RESULTS / "summary.parquet", "summary")
    return frame.set_index(["metric", "model"])


def test_fits_a_laptop(demo):
    disk = sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file())
    assert demo < LARGEST_MEMORY
    assert disk < LARGEST_DISK


def test_is_as_hard_as_real_data(summary):
    decoding = tables.read(RESULTS / "evaluation/decoding.parquet", "decoding")
    accuracy = decoding.groupby("time_ms")["accuracy"].mean()
    assert 0.55 <= accuracy.max() <= 0.75
    assert abs(accuracy[accuracy.index <= 0] - 0.5).max() < 0.01
    ceiling = tables.read(RESULTS / "evaluation/ceiling.parquet", "ceiling")
    assert 0.15 <= ceiling["lower"].max() <= 0.6


def test_backbone_is_well_trained(demo):
    quality = tables.read(RESULTS / "backbone/quality.parquet", "backbone_quality").set_index("measure")
    retrieval = quality.loc["retrieval_accuracy"]
    assert retrieval["value"] >= 5 * retrieval["chance"]


def test_behavior_model_learns_human_judgements(summary):
    rho = summary.loc["behavior_rho", "value"]
    assert rho["behavior"] >= 0.8 * rho["ceiling"]
    assert summary.loc[("behavior_rho_difference", "behavior - clip"), "low"] > 0


@pytest.mark.parametrize("comparison", ["group - clip", "group - behavior"])
def test_group_model_follows_the_brain_better(summary, comparison):
    assert summary.loc[("alignment_auc_difference", comparison), "low"] > 0


def test_people_are_identified(summary):
    assert summary.loc[("identification_accuracy", "personal"), "p"] <= 0.05
    assert summary.loc[("identification_margin", "personal"), "p"] <= 0.05
    assert summary.loc[("identification_margin", "personal"), "low"] > 0
    assert np.isfinite(summary.loc[("identification_accuracy", "model-free"), "value"])


@pytest.mark.parametrize("model", ["clip", "behavior"])
def test_static_models_know_nothing_before_onset(summary, model):
    baseline = summary.loc[("baseline_rho", model)]
    assert baseline["low"] <= 0 <= baseline["high"]
