"""Pre-train the study's small CLIP contrastively on captioned pictures."""

from pathlib import Path

import pandas as pd
import torch

from cliphba import progress, tables
from cliphba.clip import backbone, pretrain, small
from cliphba.config import SimulatedBackbone

progress.log_to(snakemake.log[0])
settings = SimulatedBackbone.model_validate(snakemake.params.backbone)
threads = snakemake.params.threads
torch.set_num_threads(threads)

pictures = tables.read(snakemake.input.pictures, "captioned_pictures")
architecture = small.architecture(settings)
preprocessing = small.preprocessing(settings)


def captioned(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Read pictures and tokenise captions of a split."""
    chosen = pictures[pictures["split"] == split]
    paths = [Path(path) for path in chosen["path"]]
    return small.read_pictures(paths, preprocessing), small.tokenise(list(chosen["caption"]))


clip = pretrain.pretrain_clip(
    *captioned("train"),
    architecture=architecture,
    epochs=settings.epochs,
    batch_size=settings.batch_size,
    learning_rate=settings.learning_rate,
    seed=snakemake.params.seed,
    threads=threads,
)
backbone.save_backbone(clip, architecture, preprocessing, Path(snakemake.output.backbone[0]).parent)

images, tokens = captioned("test")
quality = pd.DataFrame(
    [
        ("retrieval_accuracy", pretrain.retrieval_accuracy(clip, images, tokens), 1 / len(images)),
        ("logit_scale", float(clip.logit_scale.exp()), None),
    ],
    columns=["measure", "value", "chance"],
)
made_by = tables.provenance(
    settings={"backbone": snakemake.params.backbone, "seed": snakemake.params.seed},
    inputs={"pictures": Path(snakemake.input.pictures)},
)
tables.write(quality, snakemake.output.quality, "backbone_quality", **made_by)
