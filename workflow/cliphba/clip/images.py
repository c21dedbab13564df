"""How images are made ready for a backbone, as it wants them or as the published procedure did; and shown again."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor
from torchvision.transforms import Normalize
from torchvision.transforms.functional import to_pil_image

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


def as_png(backbone: Backbone, image: Tensor) -> bytes:
    """Show an image (3, height, width) that was made ready for a backbone: what the model sees of it, as PNG."""
    normalisation = next(step for step in backbone.transform.transforms if isinstance(step, Normalize))
    mean, deviation = (image.new_tensor(one)[:, None, None] for one in (normalisation.mean, normalisation.std))
    sink = io.BytesIO()
    to_pil_image((image * deviation + mean).clamp(0, 1).cpu()).save(sink, format="PNG")
    return sink.getvalue()
