"""How images are made ready for a backbone: as it wants them, or as the published procedure did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from open_clip.transform import PreprocessCfg, image_transform_v2

from cliphba.clip.backbone import Backbone
from cliphba.config import ImagePreparation

# In open_clip's terms: squashed to a square whatever their shape, and normalised by the colours of THINGS (CLIP-HBA,
# arXiv 2502.04658, Methods).
PUBLISHED_PREPARATION: dict[str, Any] = {
    "mean": (0.52997664, 0.48070561, 0.41943838),
    "std": (0.27608301, 0.26593025, 0.28238822),
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


def prepare_images(backbone: Backbone, preparation: ImagePreparation) -> Backbone:
    """Let a backbone make its images ready in this way; it is left as it is."""
    if preparation == "backbone":
        return backbone
    settings = PreprocessCfg(size=backbone.clip.visual.image_size, **PUBLISHED_PREPARATION)
    return replace(backbone, transform=image_transform_v2(settings, is_train=False))
