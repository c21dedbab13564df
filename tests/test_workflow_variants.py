"""Variants of a study as a user would train them: less data, and group models without one participant."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from cliphba import readable, tables, variants
from cliphba.models.checkpoint import read_checkpoint
from cliphba.studies import TINY
from cliphba.train.target import measure_curves
from tests.conftest import ROOT
from tests.tiny_study import RESULTS, snakemake

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def varied(study):
    """The tiny study with models from less data and without each participant."""
    snakemake(study, "data_efficiency", "held_out_participants")
    return study / RESULTS


def training_rdms(folder, participants, images):
    """RDMs of the first so many training images."""
    stimuli = tables.read(folder / "source/stimuli.parquet", "stimuli")
    chosen = tables.recorded(stimuli, "train")[:images]
    return [tables.read_rdms(folder / f"rdm/{name}_train.parquet", of=chosen) for name in participants]


def test_data_efficiency_has_every_amount(varied):
    table = tables.read(varied / "data_efficiency.parquet", "data_efficiency")
    assert set(table["metric"]) <= set(readable.METRICS)
    assert readable.markdown(table) == (varied / "data_efficiency.md").read_text().rstrip("\n")
    personal = table[table["model"] == "personal"]
    amounts = {unit: sorted(set(rows["amount"])) for unit, rows in personal.groupby("trained_on")}
    assert amounts["training images"] == [4, 8, 12, 16]
    behavior = table[table["model"] == "behavior"]
    assert list(behavior["amount"].sort_values()) == [6, 12, 24, 48]
    assert set(behavior["metric"]) == {"behavior_rho"}
    assert (table["low"] <= table["value"] + 1e-9).all()
    assert (table["value"] <= table["high"] + 1e-9).all()
    # six assignments of three participants reach no p of 0.05
    assert table["p"].isna().all()


def test_minutes_are_those_of_the_training_half(varied):
    table = tables.read(varied / "data_efficiency.parquet", "data_efficiency")
    minutes = set(table.loc[table["trained_on"] == "minutes of recording", "amount"])
    onsets = [
        pd.read_csv(next((varied / f"source/bids/{name}/{session}/meg").glob("*_events.tsv")), sep="\t")["onset"]
        for name in TINY.participants
        for session in TINY.halves["train"]
    ]
    # from the first picture to the last, which the recordings outlast by seconds
    shown = sum(onset.max() - onset.min() for onset in onsets) / 60 / len(TINY.participants)
    (found,) = minutes
    assert shown < found < shown + 0.3


def test_personal_models_of_fewer_images_know_the_first_of_them_alone(varied):
    for images in (4, 12):
        model = read_checkpoint(varied / f"data_efficiency/images_{images}/models/sub-01.safetensors")
        expected = measure_curves(training_rdms(varied, ["sub-01"], images), "after_onset")
        assert torch.equal(model.dynamic.curves.richness, expected.richness)


def test_behavior_of_fewer_images_knows_the_targets_of_the_first_of_them_alone(varied):
    stimuli = tables.read(varied / "source/stimuli.parquet", "stimuli")
    first = stimuli.loc[stimuli["split"] == "train", "stimulus"][:6]
    embedding = tables.read(varied / "source/behavior_embedding.parquet", "behavior_embedding")
    seen = embedding.loc[embedding["stimulus"].isin(first), "value"]
    model = read_checkpoint(varied / "data_efficiency/behavior_images_6/models/behavior.safetensors")
    assert model.metadata["scaling"] == {"low": seen.min(), "high": seen.max()}


@pytest.mark.parametrize("left_out", TINY.participants)
def test_a_held_out_participant_enters_nothing_of_the_group_model(varied, left_out):
    folder = varied / f"held_out_participants/without_{left_out}/models"
    others = [name for name in TINY.participants if name != left_out]
    for file in ("stage_1/group", "group"):
        model = read_checkpoint(folder / f"{file}.safetensors")
        assert model.metadata["participants"] == others
        assert not [name for name in model.metadata["inputs"] if left_out in name]
        assert torch.equal(
            model.dynamic.curves.noise, measure_curves(training_rdms(varied, others, None), "after_onset").noise
        )
    initial = tables.read(folder / "initial_reweighting.parquet", "reweighting")
    assert {f"{name}_train" for name in others} == {name for name in initial.attrs["inputs"] if "sub-" in name}


def test_held_out_participants_are_tabulated(varied):
    table = tables.read(varied / "held_out_participants.parquet", "held_out_participants")
    assert len(table) == 7 * (len(TINY.participants) + 1)
    held_out = table[table["model"] == "held-out group"]
    assert held_out[["independent_images", "independent_data", "independent_people"]].all(axis=None)
    assert not table.loc[table["model"] == "group", "independent_people"].any()


def test_what_a_variant_does_not_reach_is_not_trained_again(varied):
    for name in variants.fewer_images(TINY):
        trained = {path.stem for path in (varied / f"data_efficiency/{name}/models").glob("*.safetensors")}
        assert trained == set(TINY.participants)
    assert not list((varied / "held_out_participants").glob("*/models/sub-*"))
    assert not list((varied / "held_out_participants").glob("*/models/behavior*"))


def test_fewer_sessions_are_the_first_of_the_training_half():
    """Of the demo, for the tiny study's halves have no fewer sessions that could be decoded."""
    target = "results/demo/data_efficiency/sessions_2/models/sub-01.safetensors"
    plan = snakemake(ROOT, target, "-n", "--forceall", config=Path("config/config.yaml"))
    jobs = {job.split("output: ")[1].split("\n")[0]: job for job in plan.split("rule ") if "output: " in job}
    decoded = jobs["results/demo/rdm/sub-01_train-2.parquet"]
    assert re.findall("ses-0[0-9]", decoded.split("output: ")[0]) == ["ses-01", "ses-03"]
    personal = jobs[next(output for output in jobs if target in output)]
    assert set(re.findall("rdm/([^,\n]*).parquet", personal)) == {"sub-01_train-2"}
    # the group model that personal ones start from has seen all
    group = jobs[next(output for output in jobs if "models/stage_1/group.safetensors" in output)]
    assert set(re.findall("_(train[^.]*).parquet", group.split("output: ")[0])) == {"train"}
