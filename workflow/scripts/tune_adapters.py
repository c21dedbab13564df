"""Stage 2 of training to MEG: adapters in every vision block, for the group or for one participant."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.config import Compute, DynamicTraining, Protocol
from cliphba.models.checkpoint import read_checkpoint, save_checkpoint
from cliphba.scratch import folder_for, place_for
from cliphba.train.dynamic import MeasuredImages, Setup, fit_adapters
from cliphba.train.loop import best_loss, tabulate
from cliphba.train.losses import Objective
from cliphba.train.target import reweighting_table, target_rdms

progress.log_to(snakemake.log[0])
inputs, output, stage = snakemake.input, snakemake.output, snakemake.params.stage
protocol, compute = Protocol.model_validate(stage["protocol"]), Compute.model_validate(stage["compute"])
settings = DynamicTraining.model_validate(stage["training"])
torch.set_num_threads(compute.threads)

backbone = load_backbone(Path(inputs.backbone[0]).parent, compute.device)
start = read_checkpoint(Path(inputs.start))
model = start.onto(backbone)
stimuli = tables.read(inputs.stimuli, "stimuli")
measured = [tables.read_rdms(path) for path in inputs.rdms]
# the first few sessions of a half may lack a stimulus
everywhere = set.intersection(*(set(rdms.stimuli) for rdms in measured))
recorded = stimuli[(stimuli["image_set"] == "recorded") & stimuli["stimulus"].isin(everywhere)]
splits = {split: recorded[recorded["split"] == split] for split in ("train", "validation")}
splits["train"] = splits["train"].iloc[: settings.images]


def images_of(split: str) -> MeasuredImages:
    """Read images and mean RDMs of a split."""
    chosen = splits[split]
    images = model.read_images(list(chosen["path"]))
    return MeasuredImages(images, target_rdms(measured, list(chosen["stimulus"]), protocol.times).to(images))


made_by = tables.provenance(
    settings=stage,
    inputs={Path(path).stem: Path(path) for path in [inputs.start, inputs.stimuli, *inputs.rdms]},
)
scratch = place_for(snakemake.params.scratch)
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
    kept=folder_for(
        scratch,
        {
            "device": backbone.device.type,
            "backbone": [tables.digest(Path(path)) for path in inputs.backbone],
            **made_by,
        },
    ),
)
before = torch.tensor(start.metadata["losses_before"], device=model.device)
name = Path(output.model).stem
fit = fit_adapters(setup, name, start.dynamic.head().to(model.device), Objective.relative_to(before, settings.loss))
metadata = {"participants": start.metadata["participants"], "best_validation_loss": best_loss(fit.log), **made_by}
checkpoint = replace(start, adapters=[*start.adapters, fit.adapter], dynamic=fit.dynamic, metadata=metadata)
save_checkpoint(checkpoint, Path(output.model))

stage_1 = tables.read(inputs.log, "training")
tables.write(pd.concat([stage_1, tabulate([[], fit.log])], ignore_index=True), output.log, "training", **made_by)
with torch.no_grad():
    learnt = fit.dynamic.head().weights().cpu().numpy()
table = reweighting_table(name, fit.dynamic.curves.times_ms.cpu(), learnt)
tables.write(table, output.reweighting, "reweighting", **made_by)
shutil.rmtree(scratch, ignore_errors=True)
