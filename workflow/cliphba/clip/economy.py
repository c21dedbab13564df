"""Time, memory and digits of the towers: arithmetic, and activations computed again."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial

import open_clip
import torch
from torch.utils.checkpoint import checkpoint

from cliphba.config import Precision


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Compute in this precision within a block; weights stay in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def exact_convolutions() -> AbstractContextManager[object]:
    """Let float32 be float32 within a block: torch lets a GPU round what it convolves to ten bits by default."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def forget_activations(clip: open_clip.CLIP) -> None:
    """Let the vision blocks keep no activations but their inputs; the gradient computes them again."""
    # open_clip's own switch hands its custom blocks arguments that they do not take
    for block in clip.visual.transformer.resblocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
