"""A tiny CLIP with random weights in a backbone folder, and pictures for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch

from cliphba.clip.adapters import AdapterPlan, add_adapters
from cliphba.clip.backbone import Backbone, save_backbone
from cliphba.models.checkpoint import TrainedAdapter

SIZE, WIDTH, LAYERS, SHARED = 32, 32, 3, 16
ARCHITECTURE: dict[str, Any] = {
    "embed_dim": SHARED,
    "vision_cfg": {
        "image_size": SIZE,
        "patch_size": 8,
        "width": WIDTH,
        "layers": LAYERS,
        "head_width": 16,
        "block_type": "custom",
    },
    "text_cfg": {
        "context_length": 12,
        "vocab_size": 49408,
        "width": 24,
        "heads": 2,
        "layers": 2,
        "block_type": "custom",
    },
}
PREPROCESSING: dict[str, Any] = {
    "size": [SIZE, SIZE],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
PROMPTS = (
    "metallic; artificial",
    "metallic; natural",
    "red",
    "round",
    "long; thin",
    "seating; standing; lying-related",
)


def make_backbone(folder: Path, *, seed: int = 0, context_length: int = 12) -> Path:
    """Write a backbone folder with random weights, the blocks strong enough to matter."""
    architecture = {**ARCHITECTURE, "text_cfg": {**ARCHITECTURE["text_cfg"], "context_length": context_length}}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = open_clip.CLIP(**architecture)
        for name, parameter in clip.named_parameters():
            if parameter.ndim == 2 and "resblocks" in name:
                torch.nn.init.normal_(parameter, std=0.2)
    save_backbone(clip, architecture, PREPROCESSING, folder)
    return folder


def pictures(count: int, *, seed: int = 0) -> torch.Tensor:
    """Draw images with structure at several scales: (count, 3, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(count, 3, side, side, generator=generator) for side in (2, 4, 16)]
    return sum(torch.nn.functional.interpolate(layer, size=(SIZE, SIZE)) for layer in layers)  # type: ignore[return-value]


def shake(adapted: Any, *, seed: int, strength: float = 0.05) -> None:
    """Give adapters the weights that some training might have left."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in adapted.trainable():
        parameter.data += strength * torch.randn(parameter.shape, generator=generator)


def trained_adapter(clip: open_clip.CLIP, plan: AdapterPlan, *, seed: int, strength: float = 0.05) -> TrainedAdapter:
    """Make adapters that look trained; `clip` is spent."""
    adapted = add_adapters(clip, plan, seed)
    shake(adapted, seed=seed, strength=strength)
    return TrainedAdapter(plan, adapted.state())


@torch.no_grad()
def text_features_among_images(backbone: Backbone, dimensions: int = 12) -> torch.Tensor:
    """Draw text features that images are similar to, as in a CLIP that has been trained: the head cuts negatives."""
    features = torch.nn.functional.normalize(backbone.block_features(pictures(32, seed=9)), dim=-1)
    drawn = torch.randn(dimensions, SHARED, generator=torch.Generator().manual_seed(9)) / SHARED**0.5
    return torch.nn.functional.normalize(2 * features.mean(dim=(0, 1)) + drawn, dim=-1)
