"""Contrastive pre-training of a small CLIP from scratch, for a study that brings its own visual world."""

import math
from typing import Any

import open_clip
import torch
from torch import Tensor
from tqdm import trange

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

    Symmetric contrastive cross entropy, AdamW with a linear warm-up and a cosine decay, logit scale
    clamped at 100 (Radford et al. 2021, "Learning transferable visual models from natural language
    supervision", section 2). The same arguments give the same weights on the same kind of machine.

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
    for _ in trange(epochs, desc="pre-training CLIP", unit="epoch"):
        order = torch.randperm(len(images))[: steps_per_epoch * batch_size]
        for batch in order.split(batch_size):
            optimizer.zero_grad()
            loss(*model(images[batch], tokens[batch])).backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                model.logit_scale.clamp_(max=LARGEST_LOGIT_SCALE)
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


def _optimizer(
    model: open_clip.CLIP, *, learning_rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW as CLIP was trained with, one tenth of the steps for the warm-up."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    scalars_and_vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.2}, {"params": scalars_and_vectors, "weight_decay": 0.0}],
        lr=learning_rate,
        betas=(0.9, 0.98),
        eps=1e-6,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=max(steps, 10) + 1, pct_start=0.1, cycle_momentum=False
    )
    return optimizer, schedule
