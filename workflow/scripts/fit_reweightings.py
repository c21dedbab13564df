"""Stage 1 of training to MEG: the reweightings of the group, or of all single participants at once."""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.config import Compute, DynamicTraining, Protocol
from cliphba.models.checkpoint import read_checkpoint, save_checkpoint
from cliphba.models.heads import DynamicHead, TemporalCurves
from cliphba.scratch import folder_for, place_for
from cliphba.train.dynamic import MeasuredImages, Setup, fit_reweightings
from cliphba.train.loop import best_loss, tabulate
from cliphba.train.target import initial_head, measure_curves, target_rdms

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
stage = params.stage
protocol, compute = Protocol.model_validate(stage["protocol"]), Compute.model_validate(stage["compute"])
settings = DynamicTraining.model_validate(stage["training"])
torch.set_num_threads(compute.threads)

backbone = load_backbone(Path(inputs.backbone[0]).parent, compute.device)
start = read_checkpoint(Path(inputs.start)).starting_from(stage["starts_from"])
model = start.onto(backbone)
stimuli = tables.read(inputs.stimuli, "stimuli")
measured = {rdms.metadata["participant"]: rdms for rdms in map(tables.read_rdms, inputs.rdms)}
# the first few sessions of a half may lack a stimulus
everywhere = set.intersection(*(set(rdms.stimuli) for rdms in measured.values()))
recorded = stimuli[(stimuli["image_set"] == "recorded") & stimuli["stimulus"].isin(everywhere)]
splits = {split: recorded[recorded["split"] == split] for split in ("train", "validation")}
splits["train"] = splits["train"].iloc[: settings.images]
initial = tables.read(inputs.reweighting, "reweighting")
everything = protocol.statistics_from == "everything"
# of each model to be made, the participants whose mean RDMs are its target
members = {name: [measured[participant] for participant in found] for name, found in params.members.items()}


def images_of(split: str) -> MeasuredImages:
    """Read images of a split and each member's target (members, times, pairs)."""
    chosen = splits[split]
    targets = [target_rdms(found, list(chosen["stimulus"]), protocol.times) for found in members.values()]
    images = model.read_images(list(chosen["path"]))
    return MeasuredImages(images, torch.stack(targets).to(images))


@cache
def curves_of(participants: tuple[str, ...]) -> TemporalCurves:
    """Measure curves on what the protocol lets them see."""
    seen = recorded if everything else splits["train"]
    return measure_curves([measured[name].of(list(seen["stimulus"])) for name in participants], protocol.times)


def head_of(participants: list[str]) -> DynamicHead:
    """Give a member's head before training."""
    curves = curves_of(tuple(measured if everything else participants))
    return initial_head(
        curves,
        start=start.dynamic,
        initial=initial,
        window_ms=protocol.window_ms,
        block_weights=protocol.block_weights,
    ).to(model.device)


def made_by(participants: list[str]) -> dict[str, Any]:
    """Say what a member's model is made from."""
    paths = {Path(path).stem: Path(path) for path in (inputs.start, inputs.stimuli, inputs.reweighting)}
    rdms = dict(zip(measured, map(Path, inputs.rdms), strict=True))
    seen = measured if everything else participants
    return tables.provenance(settings=stage, inputs=paths | {f"{name}_rdm": rdms[name] for name in seen})


scratch = place_for(params.scratch)
work = {
    "device": backbone.device.type,
    "backbone": [tables.digest(Path(path)) for path in inputs.backbone],
    "members": params.members,
    **made_by(list(measured)),
}
with torch.no_grad():
    text_features = model.text_features(start.prompts)
setup = Setup(
    model,
    text_features,
    training=images_of("train"),
    validation=images_of("validation"),
    settings=settings,
    protocol=protocol,
    seed=stage["seed"],
    compute=compute,
    kept=folder_for(scratch, work),
)
fits = fit_reweightings(setup, {name: head_of(participants) for name, participants in params.members.items()})
for participants, fit, target, log in zip(
    params.members.values(), fits, snakemake.output.models, snakemake.output.logs, strict=True
):
    metadata = {
        "participants": list(participants),
        "losses_before": fit.before.tolist(),
        "best_validation_loss": best_loss(fit.log),
        **made_by(list(participants)),
    }
    save_checkpoint(replace(start, kind="dynamic", dynamic=fit.dynamic, metadata=metadata), Path(target))
    tables.write(tabulate([fit.log]), log, "training", **made_by(list(participants)))
shutil.rmtree(scratch, ignore_errors=True)
