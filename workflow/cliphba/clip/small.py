"""The small CLIP of the simulated study: its architecture, and what it is fed with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from torch import Tensor

from cliphba.config import SimulatedBackbone
from cliphba.progress import track

# Captions of the study have at most 20 tokens; the standard tokenizer's vocabulary.
CONTEXT_LENGTH, VOCABULARY = 24, 49408
HEAD_WIDTH = 16
# Where OpenAI's CLIP starts from: log(1 / 0.07).
INITIAL_LOGIT_SCALE = 2.66


def architecture(settings: SimulatedBackbone) -> dict[str, Any]:
    """Model configuration in open_clip's terms; custom blocks, so that their attention can be adapted."""
    vision = {
        "image_size": settings.image_size,
        "patch_size": settings.patch_size,
        "width": settings.width,
        "layers": settings.vision_layers,
        "head_width": HEAD_WIDTH,
        "block_type": "custom",
    }
    text = {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": VOCABULARY,
        "width": settings.width,
        "heads": settings.width // HEAD_WIDTH,
        "layers": settings.text_layers,
        "block_type": "custom",
    }
    return {
        "embed_dim": settings.embedding_dimensions,
        "init_logit_scale": INITIAL_LOGIT_SCALE,
        "vision_cfg": vision,
        "text_cfg": text,
    }


def preprocessing(settings: SimulatedBackbone) -> dict[str, Any]:
    """Image preprocessing in open_clip's terms, normalised as OpenAI's CLIP is."""
    return {
        "size": [settings.image_size, settings.image_size],
        "mean": list(open_clip.OPENAI_DATASET_MEAN),
        "std": list(open_clip.OPENAI_DATASET_STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }


def read_pictures(paths: Sequence[Path], preprocessing: dict[str, Any]) -> Tensor:
    """Decode and transform pictures exactly as the finished backbone will: (pictures, 3, height, width)."""
    settings = open_clip.transform.PreprocessCfg(**preprocessing)
    transform = open_clip.transform.image_transform_v2(settings, is_train=False)
    return torch.stack([transform(Image.open(path)) for path in track(paths, "reading", unit="picture")])


def tokenise(captions: Sequence[str]) -> Tensor:
    """Tokens of captions: (captions, context length)."""
    tokens: Tensor = open_clip.SimpleTokenizer(context_length=CONTEXT_LENGTH)(list(captions))
    return tokens
