"""A finished study in seconds: models with random adapters, and the files beside them that are about them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from cliphba import tables
from cliphba.clip.adapters import AdapterPlan
from cliphba.clip.backbone import Backbone
from cliphba.config import Adapter
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import IMAGES, LABELS, Finding, Independence, tabulate
from cliphba.models.checkpoint import Checkpoint, DynamicState, save_checkpoint
from cliphba.models.heads import TemporalCurves
from tests.small_clip import LAYERS, PROMPTS, make_backbone, pictures, trained_adapter

#: Seed of a CLIP of which images are similar to some prompts: the head cuts what is negative.
SEED = 5
PEOPLE = ("sub-01", "sub-02", "sub-03")
UNSEEN = Independence(images=True, data=True, people=False)


def make_study(folder: Path, backbone: Backbone) -> Path:
    """Write the folder of a study whose backbone has the seed `SEED`."""
    make_backbone(folder / "backbone", seed=SEED)
    splits = ["train"] * 3 + ["validation"] * 2 + ["test"]
    stimuli = pd.DataFrame({"stimulus": list("abcdef"), "split": splits, "image_set": "recorded"})
    stimuli = stimuli.assign(concept="", path="", sha256="", caption="")
    tables.write(stimuli, folder / "source/stimuli.parquet", "stimuli", settings={"simulation": {}})
    found = checkpoints(backbone, folder)
    for name, checkpoint in found.items():
        save_checkpoint(checkpoint, folder / f"models/{name}.safetensors")
        path = folder / f"models/{name}_training.parquet"
        tables.write(losses(1 if name == "behavior" else 2), path, "training", **checkpoint.metadata)
    summarise(folder, list(found))
    return folder


def checkpoints(backbone: Backbone, folder: Path) -> dict[str, Checkpoint]:
    """Give models of behaviour, of the group, and of every person, each upon those before."""
    untrained = Checkpoint(
        kind="behavior",
        dimensions=[f"dimension {number}" for number in range(len(PROMPTS))],
        prompts=list(PROMPTS),
        adapters=[],
        backbone="results/mine/backbone",
        backbone_sha256=backbone.weights_sha256,
    )
    inputs = {"stimuli": tables.digest(folder / "source/stimuli.parquet")}
    found = {"behavior": train(untrained, backbone, seed=0, inputs=inputs)}
    for seed, (name, people) in enumerate({"group": PEOPLE, **{who: (who,) for who in PEOPLE}}.items(), start=1):
        start = found["behavior" if name == "group" else "group"]
        found[name] = train(start, backbone, seed=seed, inputs=inputs, people=people)
    return found


def train(
    start: Checkpoint, backbone: Backbone, *, seed: int, inputs: dict[str, str], people: Sequence[str] = ()
) -> Checkpoint:
    """Add adapters, and to models of people a head, that look trained."""
    plan = AdapterPlan.of(Adapter(rank=3), vision=(1, 2), text=() if people else (1,))
    adapter = trained_adapter(start.onto(backbone).clip, plan, seed=seed)
    metadata = {"settings": {"seed": seed}, "inputs": inputs, "versions": {"torch": "2"}}
    if not people:
        return replace(start, adapters=[adapter], metadata=metadata)
    times = torch.arange(1, 11) * 20.0
    curves = TemporalCurves(times, times / 200, 1 - times / 240, times / 200)
    reweighting = torch.randn(len(times), LAYERS, generator=torch.Generator().manual_seed(seed))
    return replace(
        start,
        kind="dynamic",
        adapters=[*start.adapters, adapter],
        dynamic=DynamicState(curves, reweighting, window_ms=20),
        metadata={**metadata, "participants": list(people)},
    )


def summarise(folder: Path, models: Sequence[str]) -> None:
    """Write embeddings and a summary that are about the models in a folder."""
    inputs = {}
    for name in models:
        path, model = folder / f"embeddings/{name}.parquet", folder / f"models/{name}.safetensors"
        embedding = tables.Embedding(np.array([np.nan]), np.ones((1, 1, 1), np.float32), ("cat",))
        tables.write_embedding(embedding, path, inputs={"model": tables.digest(model)})
        inputs[f"embeddings/{name}.parquet"] = tables.digest(path)
    estimate = Estimate(np.array(0.5), np.linspace(0, 1, 41))
    rows = [
        Finding("alignment_auc", "clip", estimate, IMAGES, UNSEEN, p=0.01, test=LABELS),
        Finding("alignment_auc", "group", estimate, IMAGES, UNSEEN, p=0.01, test=LABELS),
        Finding("alignment_auc_difference", "group - behavior", estimate, IMAGES, UNSEEN),
        Finding("behavior_rho", "behavior", estimate, IMAGES, UNSEEN),
        *(Finding("own_alignment_auc", who, estimate, IMAGES, UNSEEN, who) for who in PEOPLE),
        Finding("identification_accuracy", "personal", estimate, IMAGES, UNSEEN),
        Finding("identification_accuracy", "model-free", estimate, IMAGES, UNSEEN),
    ]
    frame = tabulate(rows, images=5, people=len(PEOPLE))
    tables.write(frame, folder / "summary.parquet", "summary", settings={}, inputs=inputs)


def losses(stages: int) -> pd.DataFrame:
    """Losses that fall by three and rise by two in every stage."""
    rows = [
        (stage, epoch, split, 10.0 * stage - min(epoch, 3) + max(0, epoch - 3))
        for stage in range(1, stages + 1)
        for epoch in range(6)
        for split in ("train", "validation")
    ]
    frame = pd.DataFrame(rows, columns=["stage", "epoch", "split", "total"])
    return frame.assign(pattern=0.0, magnitude=0.0, generalisation=0.0)


def draw_pictures(folder: Path, names: Sequence[str]) -> Path:
    """Write pictures with structure into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in zip(names, pictures(len(names)), strict=True):
        pixels = (64 * picture + 128).clamp(0, 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def copy_study(study: Path, folder: Path) -> Path:
    """Give a study that may be changed."""
    return Path(shutil.copytree(study, folder))
