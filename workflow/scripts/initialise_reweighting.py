"""Find the initial weights of the vision blocks at each time from the group's mean RDMs."""

from pathlib import Path

import numpy as np
import torch

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.models.checkpoint import read_checkpoint
from cliphba.train.reweighting import optimise_reweighting
from cliphba.train.target import mean_after_onset, reweighting_table

progress.log_to(snakemake.log[0])
params = snakemake.params
torch.set_num_threads(params.compute["threads"])

backbone = load_backbone(Path(snakemake.input.backbone[0]).parent, params.compute["device"])
start = read_checkpoint(Path(snakemake.input.start)).starting_from(params.starts_from).onto(backbone)
stimuli = tables.read(snakemake.input.stimuli, "stimuli")
training = stimuli[(stimuli["image_set"] == "recorded") & (stimuli["split"] == "train")]
measured = [tables.read_rdms(path).of(list(training["stimulus"])) for path in snakemake.input.rdms]
target = mean_after_onset(measured)

with torch.no_grad():
    tokens = start.class_tokens(start.read_images(list(training["path"])))
found = optimise_reweighting(
    tokens,
    torch.from_numpy(target.values).to(tokens),
    outer_folds=params.reweighting["outer_folds"],
    inner_folds=params.reweighting["inner_folds"],
    seed=params.seed,
)
made_by = tables.provenance(
    settings={name: params[name] for name in ("reweighting", "starts_from", "compute", "seed", "version")},
    inputs={Path(path).stem: Path(path) for path in [snakemake.input.start, *snakemake.input.rdms]},
)
tables.write(
    reweighting_table("initial", target.times_ms, found.weights.cpu().numpy()),
    snakemake.output[0],
    "reweighting",
    held_out_correlation=np.round(found.held_out_correlation.tolist(), 6).tolist(),
    **made_by,
)
