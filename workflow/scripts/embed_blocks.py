"""Give the class token of each image after every vision block, of plain CLIP and of the group model."""

from pathlib import Path

import torch

from cliphba import progress, tables
from cliphba.clip.backbone import load_backbone
from cliphba.clip.images import prepare_images
from cliphba.models.checkpoint import build_model, read_checkpoint
from cliphba.models.perception import PerceptionModel

progress.log_to(snakemake.log[0])
params = snakemake.params
torch.set_num_threads(params.compute["threads"])

backbone = prepare_images(
    load_backbone(Path(snakemake.input.backbone[0]).parent, params.compute["device"]), params.images
)
stimuli = tables.read(snakemake.input.stimuli, "stimuli")
shown = tables.recorded(stimuli, "test" if params.evaluated_on == "held_out" else "train")
images = backbone.read_images(list(stimuli.set_index("stimulus").loc[shown, "path"]))

targets = [Path(path) for path in snakemake.output]
checkpoints = {Path(path).stem: Path(path) for path in snakemake.input.models}
for target in progress.track(targets, "blocks", unit="model"):
    source = checkpoints.get(target.stem)
    model = build_model(read_checkpoint(source), backbone) if source else PerceptionModel(backbone)
    tables.write_class_tokens(
        model.class_tokens(images, shown),
        target,
        model=target.stem,
        **tables.provenance(settings={"compute": params.compute}, inputs={"model": source} if source else {}),
    )
