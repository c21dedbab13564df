"""Find the initial weights of the vision blocks at each time from the group's mean RDMs."""

from pathlib import Path

import numpy as np
import torch

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.config import Compute
from cliphba.models.checkpoint import read_checkpoint
from cliphba.train.dynamic import TABLE_BATCH
from cliphba.train.reweighting import last_block, optimise_reweighting
from cliphba.train.target import choose_times, mean_rdms, reweighting_table

progress.log_to(snakemake.log[0])
inputs, stage = snakemake.input, snakemake.params.stage
compute = Compute.model_validate(stage["compute"])
torch.set_num_threads(compute.threads)

backbone = load_backbone(Path(inputs.backbone[0]).parent, compute.device)
start = read_checkpoint(Path(inputs.start)).starting_from(stage["starts_from"]).onto(backbone)
stimuli = tables.read(inputs.stimuli, "stimuli")
found = [tables.read_rdms(path) for path in inputs.rdms]
# the first few sessions of a half may lack a stimulus
everywhere = set.intersection(*(set(rdms.stimuli) for rdms in found))
recorded = stimuli[(stimuli["image_set"] == "recorded") & stimuli["stimulus"].isin(everywhere)]
training = recorded[recorded["split"] == "train"].iloc[: stage.get("images")]
measured = [rdms.of(list(training["stimulus"])) for rdms in found]
target = choose_times(mean_rdms(measured), stage["protocol"]["times"])

with torch.no_grad():
    images = start.read_images(list(training["path"]))
    tokens = torch.cat([start.class_tokens(part) for part in images.split(TABLE_BATCH)], dim=1)
rdms = torch.from_numpy(target.values).to(tokens)
if stage["protocol"]["initial_reweighting"] == "last_block":
    found = last_block(tokens, rdms)
else:
    found = optimise_reweighting(tokens, rdms, **stage["reweighting"], seed=stage["seed"])
made_by = tables.provenance(
    settings=stage,
    inputs={Path(path).stem: Path(path) for path in [inputs.start, inputs.stimuli, *inputs.rdms]},
)
tables.write(
    reweighting_table("initial", target.times_ms, found.weights.cpu().numpy()),
    snakemake.output[0],
    "reweighting",
    held_out_correlation=np.round(found.held_out_correlation.tolist(), 6).tolist(),
    **made_by,
)
