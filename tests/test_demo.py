"""One full run of the demo study, and what it must show: what was put into the simulation is found again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from scipy.stats import spearmanr, ttest_1samp

from cliphba import rdm, tables
from cliphba.evaluate.recovery import centres
from cliphba.evaluate.saliency import draw_masks
from cliphba.meg.latency import onset_latency, peak_latency
from cliphba.models.checkpoint import load_model
from cliphba.simulate.factors import FACTORS, LATENCY_MS
from cliphba.simulate.recordings import response_kernels
from tests.conftest import ROOT
from tests.painted import find_paint, paint
from tests.plans import exceeding, plan

pytestmark = pytest.mark.demo

RESULTS = ROOT / "results/demo"
LARGEST_MEMORY, LARGEST_DISK, LARGEST_REPORT = 4e9, 2e9, 30e6


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
    """The demo's headline numbers, those of single participants left out, by metric and model."""
    frame = tables.read(RESULTS / "summary.parquet", "summary")
    return frame[frame["participant"].isna()].set_index(["metric", "model"])


def test_fits_a_laptop(demo):
    disk = sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file())
    assert demo < LARGEST_MEMORY
    assert disk < LARGEST_DISK


def test_report_can_be_sent_by_mail(demo, tmp_path):
    report = tmp_path / "report.html"
    command = [sys.executable, "-m", "snakemake", "all", "--report", str(report)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert report.stat().st_size < LARGEST_REPORT


def test_no_job_takes_more_memory_than_it_asks_a_cluster_for(demo):
    planned = plan("all", configfile=Path("config/config.yaml"))
    assert sum((ROOT / job.benchmark).exists() for job in planned if job.benchmark) > 50
    assert not exceeding(planned, ROOT)


def test_is_as_hard_as_real_data(summary):
    decoding = tables.read(RESULTS / "evaluation/decoding.parquet", "decoding")
    accuracy = decoding.groupby("time_ms")["value"].mean()
    assert 0.55 <= accuracy.max() <= 0.75
    assert abs(accuracy[accuracy.index <= 0] - 0.5).max() < 0.01
    ceiling = tables.read(RESULTS / "evaluation/group/ceiling.parquet", "ceiling")
    lower = ceiling[(ceiling["bound"] == "lower") & ceiling["participant"].isna()]
    assert 0.15 <= lower["value"].max() <= 0.6


def test_latencies_that_were_put_in_are_found(demo):
    """Errors of at most one sample for most people, for when decoding peaks and for when it sets in.

    A course may have two peaks of nearly one height, early and late, of which either may be found higher.
    A Gaussian response has no beginning: the one put in is taken to set in when it reaches a fifth of its peak.
    """
    truth = tables.read(RESULTS / "source/truth.parquet", "truth")
    decoding = tables.read(RESULTS / "evaluation/decoding.parquet", "decoding")
    stimuli = tables.read(RESULTS / "source/stimuli.parquet", "stimuli")
    decoded = stimuli.loc[(stimuli["image_set"] == "recorded") & (stimuli["split"] == "train"), "stimulus"]
    factors = tables.read(RESULTS / "source/factors.parquet", "factors")
    spread = factors[factors["stimulus"].isin(decoded)].groupby("factor")["value"].std()
    fine_ms = np.arange(0, 600, 1.0)
    peak_error, onset_error = [], []
    for participant, course in decoding.groupby("participant"):
        own = truth[truth["participant"] == participant].set_index("factor").loc[[factor.name for factor in FACTORS]]
        responses = spread.loc[own.index].to_numpy()[:, None] * response_kernels(own, fine_ms)
        apart = np.sqrt((responses**2).sum(axis=(0, 1)))
        accuracy = course.groupby("time_ms")["value"].mean()
        times_ms, found = accuracy.index.to_numpy(), accuracy.to_numpy()
        peak_error.append(peak_latency(found, times_ms) - fine_ms[apart.argmax()])
        onset = onset_latency(found, times_ms, threshold=5, consecutive=2)
        onset_error.append(onset - fine_ms[np.argmax(apart > apart.max() / 5)])
    sample_ms = np.diff(times_ms)[0]
    assert abs(np.median(peak_error)) <= sample_ms
    assert abs(np.median(onset_error)) <= sample_ms


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


def test_complexity_is_not_what_the_group_model_knows(summary):
    left = summary.loc[("alignment_auc", "group without complexity")]
    assert left["low"] > 0
    assert left["p"] <= 0.05
    assert left["value"] > summary.loc[("alignment_auc", "complexity"), "value"]


def test_model_generalises_over_time_as_the_brain_does(summary):
    likeness = summary.loc["generalisation_likeness"]
    assert likeness.loc["group", "low"] > 0
    assert likeness.loc["group", "value"] < likeness.loc["upper ceiling", "value"]


def test_dimensions_seen_later_speak_later(demo):
    """Shapes before materials: by how much a dimension varies over images, which is all that RDMs know of it."""
    courses = tables.read(RESULTS / "evaluation/dynamics/dimension_course.parquet", "dimension_course")
    spread = courses[(courses["model"] == "group") & (courses["quantity"] == "spread")]
    wide = spread.pivot(index="time_ms", columns="dimension", values="value")
    centre_ms = centres((wide.T / wide.sum(axis=1)).T.to_numpy(), wide.index.to_numpy())
    latency_ms = {factor.name: factor.latency_ms for factor in FACTORS}
    # a tendency: eighteen dimensions of four latencies say no more, and another processor pre-trains another CLIP
    assert spearmanr(centre_ms, [latency_ms[name] for name in wide.columns]).statistic > 0


@pytest.fixture(scope="module")
def elsewhere(demo):
    """Headline numbers on external sets, by set, metric and model."""
    frame = tables.read(RESULTS / "external_summary.parquet", "external_summary")
    return frame[frame["participant"].isna()].set_index(["image_set", "metric", "model"]).sort_index()


@pytest.mark.parametrize("image_set", ["degraded", "no-background"])
def test_models_hold_for_other_people_and_other_kinds_of_pictures(elsewhere, image_set):
    areas = elsewhere.loc[(image_set, "alignment_auc")]
    for model in ("behavior", "group"):
        assert areas.loc[model, "low"] > 0
        assert areas.loc[model, "p"] <= 0.05
        assert areas.loc[model, "p_people"] <= 0.05
        assert areas.loc[model, ["independent_images", "independent_data", "independent_people"]].all()
    assert areas.loc["group", "value"] < areas.loc["upper ceiling", "value"]


@pytest.mark.parametrize("image_set", ["degraded", "no-background"])
def test_external_sets_are_as_hard_as_real_data(demo, image_set):
    ceiling = tables.read(RESULTS / f"evaluation/external/{image_set}_ceiling.parquet", "ceiling")
    assert 0.15 <= ceiling.loc[ceiling["bound"] == "lower", "value"].max() <= 0.6


def weights_of_factors(image_set, permutations=1000):
    """How much a difference in each factor adds to decoding: (true first, permutations of images), by name."""
    names = [factor.name for factor in FACTORS]
    drawn = tables.read(RESULTS / f"source/external/{image_set}/factors.parquet", "factors")
    values = drawn.pivot(index="stimulus", columns="factor", values="value")[names]
    measured = [
        tables.read_rdms(path, of=list(values.index))
        for path in sorted((RESULTS / f"rdm/external/{image_set}").glob("*.parquet"))
    ]
    accuracy = np.mean([one.values[(one.times_ms >= 100) & (one.times_ms <= 400)] for one in measured], axis=(0, 1))
    first, second = rdm.pair_indices(len(values))
    apart = np.abs(values.to_numpy()[first] - values.to_numpy()[second])
    fit = np.linalg.pinv(np.column_stack([apart, np.ones(len(apart))]))[:-1]
    random, square = np.random.default_rng(0), rdm.to_square(accuracy)
    orders = [np.arange(len(values)), *(random.permutation(len(values)) for _ in range(permutations))]
    return pd.DataFrame([fit @ rdm.to_triangle(square[np.ix_(order, order)]) for order in orders], columns=names)


def test_nobody_sees_hues_in_monochrome_pictures(demo):
    """People told them apart where they were shown, and black and white in either set."""
    hues, greys = ["red", "orange", "yellow", "green"], ["black", "white"]
    monochrome, coloured = (weights_of_factors(name) for name in ("degraded", "no-background"))

    def p(weights):
        return np.mean(weights >= weights[0])

    assert p(coloured[hues].mean(axis=1)) <= 0.01
    assert p(coloured[greys].mean(axis=1)) <= 0.05
    assert p(monochrome[greys].mean(axis=1)) <= 0.05
    assert p(monochrome[hues].mean(axis=1)) > 0.05
    assert monochrome.loc[0, hues].mean() < coloured.loc[0, hues].mean() / 3


def test_people_are_identified(summary):
    assert summary.loc[("identification_accuracy", "personal"), "p"] <= 0.05
    assert summary.loc[("identification_margin", "personal"), "p"] <= 0.05
    assert summary.loc[("identification_margin", "personal"), "low"] > 0
    assert summary.loc[("own_alignment_gain", "personal - group"), "low"] > 0
    assert np.isfinite(summary.loc[("identification_accuracy", "model-free"), "value"])


def test_what_makes_people_different_is_recovered(summary):
    gains, latencies = summary.loc["gain_recovery"], summary.loc["latency_recovery"]
    assert gains.loc["personal", "low"] > 0
    assert gains.loc["personal", "p"] <= 0.05
    assert latencies.loc["people", "p"] <= 0.05
    assert latencies.loc["people", "low"] > 0
    assert latencies.loc["factors", "low"] > 0


def test_every_number_says_what_it_is_independent_of(summary):
    personal = summary.loc[("identification_margin", "personal")]
    assert personal["independent_images"]
    assert personal["independent_data"]
    assert not personal["independent_people"]
    assert summary.loc[("alignment_auc", "behavior"), "independent_people"]


@pytest.mark.parametrize("model", ["clip", "behavior"])
def test_static_models_know_nothing_before_onset(summary, model):
    baseline = summary.loc[("baseline_rho", model)]
    assert baseline["low"] <= 0 <= baseline["high"]


@pytest.fixture(scope="module", params=["behavior", "group"])
def paint_found(demo, request):
    """What a model finds salient where one half of an object is painted, at the time at which brains see colour."""
    model = load_model(RESULTS / f"models/{request.param}.safetensors", backbone=RESULTS / "backbone", device="cpu")
    sample = 0 if model.head is None else int(np.abs(model.times_ms - LATENCY_MS["colour"]).argmin())
    pictures = paint(48, side=48, factor=2, seed=1)
    found = find_paint(model, pictures, draw_masks(500, cells=8, seed=0), sample=sample)
    parts = found.groupby(["state", "driver"])
    return request.param, {key: part.reset_index(drop=True) for key, part in parts}


def interval(values, level=0.95):
    """Of the mean over pictures."""
    return ttest_1samp(values, 0).confidence_interval(level)


def test_saliency_finds_the_part_that_is_painted(paint_found):
    """More salient than the background if the colour's dimension drives; if all do, than the bare half, too."""
    _, found = paint_found
    assert interval(found["painted", "own"]["background"]).low > 0
    assert interval(found["painted", "all"]["background"]).low > 0
    assert interval(found["painted", "all"]["rest"]).low > 0


def test_saliency_finds_no_paint_where_there_is_none(paint_found):
    _, found = paint_found
    for driver in ("own", "all"):
        low, high = interval(found["unpainted", driver]["rest"], level=0.99)
        assert low < 0 < high


def test_dimensions_of_the_behavior_model_find_their_own_colour(paint_found):
    """Not those of MEG models, which are trained to RDMs, whatever their dimensions then stand for."""
    model, found = paint_found
    if model == "behavior":
        own, other = (found["painted", driver]["rest"] for driver in ("own", "other"))
        assert interval(own).low > 0
        assert interval(own - other).low > 0
