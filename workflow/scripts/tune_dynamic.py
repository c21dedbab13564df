"""Fine-tune a model to the mean MEG of some participants: the group's, or one person's."""

import shutil
from pathlib import Path

import torch

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.config import DynamicTraining, Protocol
from cliphba.models.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from cliphba.scratch import folder_for
from cliphba.train.dynamic import MeasuredImages, fit_dynamic
from cliphba.train.loop import best_loss, tabulate
from cliphba.train.target import initial_head, mean_after_onset, reweighting_table

progress.log_to(snakemake.log[0])
params = snakemake.params
protocol = Protocol.model_validate(params.protocol)
torch.set_num_threads(params.compute["threads"])

folder = Path(snakemake.input.backbone[0]).parent
backbone = load_backbone(folder, params.compute["device"])
start = read_checkpoint(Path(snakemake.input.start)).starting_from(params.starts_from)
model = start.onto(backbone)
stimuli = tables.read(snakemake.input.stimuli, "stimuli")
recorded = stimuli[stimuli["image_set"] == "recorded"]
measured = [tables.read_rdms(path) for path in snakemake.input.rdms]


def images_of(split: str) -> MeasuredImages:
    """Read images and mean RDMs of a split."""
    chosen = recorded[recorded["split"] == split]
    target = mean_after_onset([rdms.of(list(chosen["stimulus"])) for rdms in measured])
    images = model.read_images(list(chosen["path"]))
    return MeasuredImages(images, torch.from_numpy(target.values).to(images))


training = list(recorded.loc[recorded["split"] == "train", "stimulus"])
head = initial_head(
    [rdms.of(training) for rdms in measured],
    start=start.dynamic,
    initial=tables.read(snakemake.input.reweighting[0], "reweighting"),
    window_ms=protocol.window_ms,
).to(model.device)
with torch.no_grad():
    text_features = model.text_features(start.prompts)
made_by = tables.provenance(
    settings={name: params[name] for name in ("training", "protocol", "starts_from", "compute", "seed", "version")},
    inputs={
        Path(path).stem: Path(path)
        for path in [
            snakemake.input.start,
            snakemake.input.stimuli,
            snakemake.input.reweighting[0],
            *snakemake.input.rdms,
        ]
    },
)
scratch = Path(params.scratch)
fit = fit_dynamic(
    model,
    text_features=text_features,
    head=head,
    training=images_of("train"),
    validation=images_of("validation"),
    settings=DynamicTraining.model_validate(params.training),
    noise_scale=protocol.noise_scale,
    seed=params.seed,
    kept=folder_for(scratch, {"backbone": backbone.weights_sha256, **made_by}),
)
checkpoint = Checkpoint(
    kind="dynamic",
    dimensions=start.dimensions,
    prompts=start.prompts,
    adapters=[*start.adapters, fit.adapter],
    backbone=str(folder),
    backbone_sha256=backbone.weights_sha256,
    dynamic=fit.dynamic,
    metadata={"participants": list(params.participants), "best_validation_loss": best_loss(fit.logs[1]), **made_by},
)
save_checkpoint(checkpoint, Path(snakemake.output.model))
tables.write(tabulate(fit.logs), snakemake.output.log, "training", **made_by)
with torch.no_grad():
    learnt = fit.dynamic.head().weights().cpu().numpy()
name = Path(snakemake.output.model).stem
tables.write(
    reweighting_table(name, fit.dynamic.curves.times_ms.cpu(), learnt),
    snakemake.output.reweighting,
    "reweighting",
    **made_by,
)
shutil.rmtree(scratch, ignore_errors=True)
