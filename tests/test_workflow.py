"""The whole chain on the tiny study, as a user would run it."""

from __future__ import annotations

import os

import pandas as pd
import pytest
import torch
import yaml

import cliphba
from cliphba import readable, tables
from cliphba.ablations import variants
from cliphba.config import derive_seed
from cliphba.evaluate.ablation import AS_CONFIGURED
from cliphba.figures.catalogue import CATALOGUE
from cliphba.models.checkpoint import read_checkpoint
from cliphba.studies import TINY
from cliphba.train.target import measure_curves
from tests.tiny_study import CONFIG, RESULTS, snakemake

pytestmark = pytest.mark.workflow


def planned(output: str) -> dict[str, int]:
    """Rules and numbers of jobs in the statistics of a dry run."""
    lines = output.partition("Job stats:")[2].partition("total")[0].splitlines()[3:]
    return {rule: int(count) for rule, count in (line.split() for line in lines if line.strip())}


def figures(target: str) -> list[str]:
    """Figures, but for animations, that a target of the workflow asks for."""
    return [name for name, entry in CATALOGUE.items() if entry.target == target and not entry.moving]


def test_everything_promised_is_there(study):
    results = study / RESULTS
    for figure in figures("all"):
        assert (results / f"figures/{figure}.svg").stat().st_size > 1000
        assert "Simulated data" in (results / f"figures/{figure}.svg").read_text()
        assert (results / f"figures/{figure}.png").stat().st_size > 1000
    assert (results / "figures/saliency_animation.gif").stat().st_size < 1.5e6
    summary = tables.read(results / "summary.parquet", "summary")
    assert {
        "behavior_rho",
        "alignment_auc",
        "alignment_auc_difference",
        "baseline_rho",
        "identification_accuracy",
        "identification_margin",
        "odd_one_out_accuracy",
        "generalisation_likeness",
        "layer_order",
        "gain_recovery",
    } <= set(summary["metric"])
    assert summary[["value", "low", "high"]].notna().all().all()
    assert (summary["low"] <= summary["high"]).all()
    assert readable.markdown(summary, rows="each") == (results / "summary.md").read_text().rstrip("\n")


def test_every_metric_has_a_name_for_people(study):
    summary = tables.read(study / RESULTS / "summary.parquet", "summary")
    assert set(summary["metric"]) <= set(readable.METRICS)


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
        "fit_group_reweighting": 1,
        "tune_group": 1,
        "fit_individual_reweightings": 1,
        "tune_individual": 3,
        "embed": 1,
        "embed_blocks": 1,
        "evaluate_judges": 1,
        "evaluate_group": 1,
        "evaluate_individuals": 1,
        "evaluate_layers": 1,
        "evaluate_dynamics": 1,
        "evaluate_complexity": 1,
        "recover_truth": 1,
        "summarise": 1,
        "write_out_table": 2,
        "write_out_headlines": 1,
        "describe_decoding": 1,
        # only models are other ones
        "embed_external_set": 1,
        "evaluate_external_set": 1,
        "summarise_external_sets": 1,
        "map_saliency": 1,
        "draw_figure": len(figures("all")),
        "animate_saliency": 1,
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


def test_an_external_set_shares_nothing_with_the_study(study):
    results, (name,) = study / RESULTS, TINY.external_sets
    summary = tables.read(results / "external_summary.parquet", "external_summary")
    assert set(summary["image_set"]) == {name}
    independent = [column for column in summary if column.startswith("independent")]
    assert summary.loc[summary["model"].isin(["clip", "behavior", "group"]), independent].all(axis=None)
    own, other = (
        {
            table: tables.read(results / f"{folder}/{table}.parquet", table)
            for table in ("stimuli", "factors", "truth")
        }
        for folder in ("source", f"source/external/{name}")
    )
    assert not set(own["stimuli"]["sha256"]) & set(other["stimuli"]["sha256"])
    assert not set(own["factors"]["stimulus"]) & set(other["factors"]["stimulus"])
    for column in ("participant", "gain"):
        assert not set(own["truth"][column]) & set(other["truth"][column])
    measured = tables.read_rdms(next((results / f"rdm/external/{name}").glob("*.parquet")))
    assert list(measured.stimuli) == list(other["stimuli"]["stimulus"])
    assert measured.metadata["sessions"] == TINY.external_sessions


def test_provenance_travels_with_results(study):
    metadata = tables.read(study / RESULTS / "summary.parquet", "summary").attrs
    assert metadata["settings"]["seed"] >= 0
    assert {"cliphba", "numpy", "torch", "mne"} <= set(metadata["versions"])
    assert len(metadata["inputs"]) > 5


def test_every_trial_is_accounted_for(study):
    trials = pd.concat(
        tables.read(path, "trials") for path in (study / RESULTS / "epochs").glob("**/*_trials.parquet")
    )
    assert set(trials["participant"]) == {*TINY.participants, *TINY.external_sets["degraded"].participants}
    assert (trials["kept"] <= trials["recorded"]).all()
    assert (trials["kept"] > 0.7 * trials["recorded"]).all()


@pytest.fixture(scope="module")
def ablated(study):
    """The tiny study with its ablations, the published protocol among them."""
    snakemake(study, "ablations")
    return study / RESULTS


def test_ablations_are_tabulated(ablated):
    table = tables.read(ablated / "ablation.parquet", "ablation")
    assert set(table["metric"]) <= set(readable.METRICS)
    assert readable.markdown(table) == (ablated / "ablation.md").read_text().rstrip("\n")
    named = variants(TINY)
    # the tiny study has the published scale of the noise: that variant would be the study itself
    assert set(table["variant"]) == {AS_CONFIGURED, *named}
    assert "published_noise" not in named
    changed = table[table["variant"] != AS_CONFIGURED]
    assert (changed["worth_low"] <= changed["worth"] + 1e-9).all()
    assert (changed["worth"] <= changed["worth_high"] + 1e-9).all()
    assert set(table.loc[table["variant"] == "no_stage_2", "metric"]) == {
        "group_alignment_auc",
        "own_alignment_auc",
        "identification_margin",
    }


def test_ablations_are_drawn(ablated):
    for figure in figures("ablations"):
        assert "Simulated data" in (ablated / f"figures/{figure}.svg").read_text()


def test_stages_that_a_change_does_not_reach_are_not_trained_again(ablated):
    found = {
        path.stem for path in (ablated / "ablations/individuals_start_from_behavior/models").glob("*.safetensors")
    }
    assert found == {"sub-01", "sub-02", "sub-03"}


@pytest.mark.parametrize("protocol", ["corrected", "published"])
def test_what_training_knew_of_what_is_held_out(ablated, protocol):
    """Faults 5 and 6: scaling and curves from everything, and times before onset, under published only."""
    corrected = protocol == "corrected"
    folder = ablated if corrected else ablated / "ablations/published_protocol"
    stimuli = tables.read(ablated / "source/stimuli.parquet", "stimuli").set_index("stimulus")
    embedding = tables.read(ablated / "source/behavior_embedding.parquet", "behavior_embedding")
    seen = embedding[embedding["stimulus"].map(stimuli["split"]) == "train"] if corrected else embedding
    behavior = read_checkpoint(folder / "models/behavior.safetensors")
    assert behavior.metadata["scaling"] == {"low": seen["value"].min(), "high": seen["value"].max()}
    assert behavior.images == ("backbone" if corrected else "published")

    person = read_checkpoint(folder / "models/sub-01.safetensors").dynamic
    assert (person.curves.times_ms.min() > 0) == corrected
    rdms = {name: tables.read_rdms(ablated / f"rdm/{name}_train.parquet") for name in ("sub-01", "sub-02", "sub-03")}
    recorded = stimuli[stimuli["image_set"] == "recorded"]
    chosen = list(recorded.index[recorded["split"] == "train"] if corrected else recorded.index)
    people = ["sub-01"] if corrected else list(rdms)
    expected = measure_curves([rdms[name].of(chosen) for name in people], "after_onset" if corrected else "all")
    assert torch.equal(person.curves.richness, expected.richness)
    assert torch.equal(person.curves.noise, expected.noise)


def test_noise_of_published_models_has_a_recorded_seed_for_each(ablated):
    """Fault 13: with one seed for all, personal models would be alike before onset."""
    folder = ablated / "ablations/published_protocol/models"
    noise = [read_checkpoint(folder / f"{name}.safetensors").dynamic.evaluation_noise for name in TINY.participants]
    seed = TINY.seed_of("tune_individual")
    assert noise == [(1.0, derive_seed(seed, "noise at evaluation", name)) for name in TINY.participants]
    assert read_checkpoint(ablated / "models/sub-01.safetensors").dynamic.evaluation_noise is None


def test_any_ablated_model_opens_like_any_other(ablated, monkeypatch):
    monkeypatch.chdir(ablated.parent.parent)
    folder = RESULTS / "ablations/published_protocol"
    model = cliphba.load(folder / "models/sub-02.safetensors", backbone=RESULTS / "backbone")
    images = sorted((RESULTS / "source/images").glob("*.png"))[:4]
    assert model.rdms(images).values.shape == (len(TINY.grid.times_ms), 6)


def test_published_alignment_is_reported_on_training_data(study, tmp_path):
    """Fault 7: by the evaluation alone, with the models that are there."""
    settings = yaml.safe_load((study / CONFIG).read_text())
    settings["protocol"]["evaluated_on"] = "training"
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(settings))
    target = str(RESULTS / "summary.parquet")
    before = tables.read(study / target, "summary")
    snakemake(study, target, "--allowed-rules", "evaluate_group", "summarise", config=tmp_path / "published.yaml")
    after = tables.read(study / target, "summary")
    areas = [one[one["metric"] == "alignment_auc"].set_index("model") for one in (before, after)]
    independent = ["independent_images", "independent_data"]
    assert areas[0].loc["group", independent].all()
    assert not areas[1].loc["group", independent].any()
    assert areas[1].loc["group", "value"] > areas[0].loc["group", "value"]
    snakemake(study, target)
