"""Bring a pretrained CLIP into the study's backbone folder."""

from pathlib import Path

from cliphba import progress
from cliphba.clip.imported import copy_backbone, import_backbone
from cliphba.config import Backbone
from cliphba.sources import path_of

progress.log_to(snakemake.log[0])
settings = Backbone.model_validate(snakemake.params.backbone)
target = Path(snakemake.output.backbone[0]).parent

if settings.folder is not None:
    copy_backbone(path_of(settings.folder), target)
else:
    import_backbone(settings.architecture, settings.weights_file or settings.weights, target)
