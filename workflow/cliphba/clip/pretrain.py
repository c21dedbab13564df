"""Contrastive pre-training of a small CLIP from scratch, for a study that brings its own visual world."""

import math
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor

from cliphba.progress import track

LARGEST_LOGIT_SCALE = math.log(100)


def pretrain_clip(
    images: Tensor,
    tokens: Tensor,
    *,
    architecture: dict[str, Any],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    threads: int,
) -> open_clip.CLIP:
    """Train a CLIP from random weights to tell which caption belongs to which picture.

    Symmetric contrastive cross entropy, AdamW with a warm-up and a cosine decay (Radford et al. 2021,
    "Learning transferable visual models from natural language supervision", section 2). The logit scale
    is not learnt but raised to 100, where OpenAI's ends and to which it is clamped: a small model seen
    few pictures would stop far below, and out of the range of the behaviour model's targets. The same
    arguments give the same weights on the same kind of machine.

    Parameters
    ----------
    images : torch.Tensor, shape (n_pictures, 3, height, width)
        Normalised pictures.
    tokens : torch.Tensor, shape (n_pictures, context_length)
        Tokenised caption of each picture.
    architecture : dict
        Model configuration of open_clip: ``embed_dim``, ``vision_cfg``, ``text_cfg`` and optionally
        ``init_logit_scale``.
    epochs : int
        Number of times every picture is seen.
    batch_size : int
        Pictures among which each caption is to be found.
    learning_rate : float
        Peak learning rate.
    seed : int
        Seed of the initial weights and of the batches.
    threads : int
        Number of CPU threads; floating-point results depend on it.

    Returns
    -------
    open_clip.CLIP
        Trained model in evaluation mode, on the CPU.

    Raises
    ------
    ValueError
        If pictures and captions differ in number, or are fewer than one batch.
    """
    _check(images, tokens, batch_size=batch_size)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    model = open_clip.CLIP(**architecture).train()
    loss = open_clip.ClipLoss()
    steps_per_epoch = len(images) // batch_size
    optimizer, schedule = _optimizer(model, learning_rate=learning_rate, steps=epochs * steps_per_epoch)
    logit_scales = iter(_rising(model.logit_scale.item(), steps=epochs * steps_per_epoch))
    model.logit_scale.requires_grad_(False)
    for _ in track(range(epochs), "pre-training CLIP", unit="epoch"):
        order = torch.randperm(len(images))[: steps_per_epoch * batch_size]
        for batch in order.view(steps_per_epoch, batch_size):
            model.logit_scale.data.fill_(next(logit_scales))
            optimizer.zero_grad()
            loss(*model(images[batch], tokens[batch])).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def retrieval_accuracy(model: open_clip.CLIP, images: Tensor, tokens: Tensor) -> float:
    """Share of pictures whose own caption is the nearest of all captions.

    A caption of the very same words as the picture's own counts as its own.

    Parameters
    ----------
    model : open_clip.CLIP
        Model to be tested.
    images : torch.Tensor, shape (n_pictures, 3, height, width)
        Normalised pictures.
    tokens : torch.Tensor, shape (n_pictures, context_length)
        Tokenised caption of each picture.

    Returns
    -------
    float
        Top-1 accuracy from picture to caption, in [0, 1].
    """
    image_features = model.encode_image(images, normalize=True)
    text_features = model.encode_text(tokens, normalize=True)
    nearest = (image_features @ text_features.T).argmax(dim=1)
    return (tokens[nearest] == tokens).all(dim=1).double().mean().item()


def _check(images: Tensor, tokens: Tensor, *, batch_size: int) -> None:
    """Refuse pictures and captions from which no batch can be made."""
    if len(images) != len(tokens):
        raise ValueError(f"tokens: {len(tokens)} captions for {len(images)} pictures; give one for each")
    if len(images) < batch_size:
        raise ValueError(f"batch_size: {batch_size} exceeds the {len(images)} pictures; lower it")


def _rising(start: float, *, steps: int) -> list[float]:
    """Logit scale of each step: up to its limit over four fifths of the training, then level."""
    return np.interp(np.arange(1, steps + 1), [0, 0.8 * steps], [start, LARGEST_LOGIT_SCALE]).tolist()


def _optimizer(
    model: open_clip.CLIP, *, learning_rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW as CLIP was trained with; a tenth of the steps warm up."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, fused=True
    )
    # One step more than is taken: the scheduler looks one step ahead.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=steps + 1, pct_start=0.1, cycle_momentum=False
    )
    return optimizer, schedule
