"""Bring a pretrained CLIP into the study's backbone folder."""

from pathlib import Path

from cliphba import progress
from cliphba.clip.imported import import_backbone
from cliphba.config import Backbone

progress.log_to(snakemake.log[0])
settings = Backbone.model_validate(snakemake.params.backbone)

import_backbone(
    settings.architecture,
    settings.weights_file or settings.weights,
    Path(snakemake.output.backbone[0]).parent,
)
