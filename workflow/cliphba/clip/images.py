"""How images are made ready for a backbone: as it wants them, or as the published procedure did."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torchvision import transforms

from cliphba.clip.backbone import Backbone

ImagePreparation = Literal["backbone", "published"]

# Mean and standard deviation of the colours of THINGS (CLIP-HBA, arXiv 2502.04658, Methods).
THINGS_MEAN = (0.52997664, 0.48070561, 0.41943838)
THINGS_DEVIATION = (0.27608301, 0.26593025, 0.28238822)


def prepare_images(backbone: Backbone, preparation: ImagePreparation) -> Backbone:
    """Let a backbone make its images ready in this way.

    Parameters
    ----------
    backbone
        Left as it is.
    preparation
        ``backbone``: its own transform. ``published``: squashed to a square whatever their shape, and normalised by
        the colours of THINGS (CLIP-HBA, arXiv 2502.04658, Methods).
    """
    if preparation == "backbone":
        return backbone
    steps = [
        transforms.Resize(tuple(backbone.clip.visual.image_size)),
        transforms.ToTensor(),
        transforms.Normalize(THINGS_MEAN, THINGS_DEVIATION),
    ]
    return replace(backbone, transform=transforms.Compose(steps))
