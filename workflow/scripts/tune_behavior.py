"""Fine-tune CLIP to human similarity judgements: the Behavior model."""

import shutil
from pathlib import Path

import pandas as pd
import torch

from cliphba import progress, tables
from cliphba.behavior import Scaling
from cliphba.clip.backbone import load_backbone
from cliphba.clip.images import prepare_images
from cliphba.config import BehaviorTraining, Compute
from cliphba.models.checkpoint import Checkpoint, save_checkpoint
from cliphba.scratch import folder_for, place_for
from cliphba.train.behavior import LabelledImages, fit_behavior
from cliphba.train.loop import best_loss, tabulate

progress.log_to(snakemake.log[0])
params = snakemake.params
stage = params.stage
compute = Compute.model_validate(stage["compute"])
settings = BehaviorTraining.model_validate(stage["training"])
torch.set_num_threads(compute.threads)

folder = Path(snakemake.input.backbone[0]).parent
backbone = prepare_images(load_backbone(folder, compute.device), stage["images"])
stimuli = tables.read(snakemake.input.stimuli, "stimuli").set_index("stimulus")
dimensions = tables.read(snakemake.input.dimensions, "dimensions")
embedding = tables.read(snakemake.input.embedding, "behavior_embedding").pivot(
    index="stimulus", columns="dimension", values="value"
)[list(dimensions["dimension"])]

splits = {split: stimuli.index[stimuli["split"] == split] for split in ("train", "validation")}
if settings.images and settings.images > len(splits["train"]):
    raise ValueError(
        f"behavior_training.images: there are only {len(splits['train'])} training images, not {settings.images}"
    )
splits["train"] = splits["train"][: settings.images]
# what is held out must not shape the target, but in the published protocol
seen = splits["train"] if stage["statistics_from"] == "training" else embedding.index
scaling = Scaling.fit(embedding.loc[seen].to_numpy())


def labelled(names: pd.Index) -> LabelledImages:
    """Read images and targets of some stimuli."""
    target = torch.tensor(scaling.apply(embedding.loc[names].to_numpy()), dtype=torch.float32)
    return LabelledImages(backbone.read_images(list(stimuli.loc[names, "path"])), target.to(backbone.device))


made_by = tables.provenance(
    settings=stage,
    inputs={name: Path(snakemake.input[name]) for name in ("stimuli", "dimensions", "embedding")},
)
scratch = place_for(params.scratch)
fit = fit_behavior(
    backbone,
    prompts=list(dimensions["prompt"]),
    training=labelled(splits["train"]),
    validation=labelled(splits["validation"]),
    settings=settings,
    seed=stage["seed"],
    precision=compute.precision,
    kept=folder_for(
        scratch,
        {
            "device": backbone.device.type,
            "backbone": [tables.digest(Path(path)) for path in snakemake.input.backbone],
            **made_by,
        },
    ),
)
checkpoint = Checkpoint(
    kind="behavior",
    dimensions=list(dimensions["dimension"]),
    prompts=list(dimensions["prompt"]),
    adapters=[fit.adapter],
    backbone=str(folder),
    backbone_sha256=backbone.weights_sha256,
    images=stage["images"],
    metadata={"scaling": vars(scaling), "best_validation_loss": best_loss(fit.log), **made_by},
)
save_checkpoint(checkpoint, Path(snakemake.output.model))
tables.write(tabulate([fit.log]), snakemake.output.log, "training", **made_by)
shutil.rmtree(scratch, ignore_errors=True)
