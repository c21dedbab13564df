"""Pre-train the study's small CLIP contrastively on captioned pictures."""

from pathlib import Path

import pandas as pd
import torch

from cliphba import progress, tables
from cliphba.clip import backbone, pretrain, small
from cliphba.config import SimulatedBackbone

progress.log_to(snakemake.log[0])
settings = SimulatedBackbone.model_validate(snakemake.params.backbone)
threads = snakemake.params.compute["threads"]
torch.set_num_threads(threads)

pictures = tables.read(snakemake.input.pictures, "captioned_pictures")
architecture = small.architecture(settings)
preprocessing = small.preprocessing(settings)
images = small.read_pictures([Path(path) for path in pictures["path"]], preprocessing)
tokens = small.tokenise(list(pictures["caption"]))
training = torch.tensor((pictures["split"] == "train").tolist())

clip = pretrain.pretrain_clip(
    images[training],
    tokens[training],
    architecture=architecture,
    epochs=settings.epochs,
    batch_size=settings.batch_size,
    learning_rate=settings.learning_rate,
    seed=snakemake.params.seed,
    threads=threads,
)
backbone.save_backbone(clip, architecture, preprocessing, Path(snakemake.output.backbone[0]).parent)

held_out = ~training
quality = pd.DataFrame(
    [
        (
            "retrieval_accuracy",
            pretrain.retrieval_accuracy(clip, images[held_out], tokens[held_out]),
            1 / int(held_out.sum()),
        ),
        ("logit_scale", float(clip.logit_scale.exp()), None),
    ],
    columns=["measure", "value", "chance"],
)
made_by = tables.provenance(
    settings={"backbone": snakemake.params.backbone, "seed": snakemake.params.seed},
    inputs={"pictures": Path(snakemake.input.pictures)},
)
tables.write(quality, snakemake.output.quality, "backbone_quality", **made_by)
