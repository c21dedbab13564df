"""Contrastive pre-training of a small CLIP from scratch, for a study that brings its own visual world."""

import math
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor, nn

from cliphba.progress import track

LARGEST_LOGIT_SCALE = math.log(100)
# Muon's steps have the length of its learning rate, AdamW's that of every single weight.
MUON_RATIO = 6.0
# Pixels: a sixteenth of the picture, less than the background around an object.
LARGEST_SHIFT = 3
# Pictures whose patches give the principal components, and the share of the largest variance added to all.
PATCH_SAMPLE, WHITENING_FLOOR = 1500, 1e-3


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

    Symmetric contrastive cross entropy, with a warm-up and a cosine decay (Radford et al. 2021,
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
    _start_from_principal_components(model.visual.conv1, images)
    loss = open_clip.ClipLoss()
    steps_per_epoch = len(images) // batch_size
    steps = epochs * steps_per_epoch
    optimizers = _optimizers(model, learning_rate=learning_rate)
    schedules = [_schedule(optimizer, steps=steps) for optimizer in optimizers]
    logit_scales = iter(_rising(model.logit_scale.item(), steps=steps))
    model.logit_scale.requires_grad_(False)
    for _ in track(range(epochs), "pre-training CLIP", unit="epoch"):
        order = torch.randperm(len(images))[: steps_per_epoch * batch_size]
        for batch in order.view(steps_per_epoch, batch_size):
            model.logit_scale.data.fill_(next(logit_scales))
            model.zero_grad()
            loss(*model(_augment(images[batch]), tokens[batch])).backward()
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
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


@torch.no_grad()
def _start_from_principal_components(patches: nn.Conv2d, images: Tensor) -> None:
    """Let the patch embedding start from whitened principal components of the pictures.

    A tower that sees ten thousand pictures has no time to learn what any set of pictures shows at once: colours,
    edges and gratings.
    """
    width, _, size, _ = patches.weight.shape
    sample = images[:PATCH_SAMPLE].unfold(2, size, size).unfold(3, size, size)
    rows = sample.permute(0, 2, 3, 1, 4, 5).reshape(-1, patches.weight[0].numel()).double()
    rows = rows - rows.mean(dim=0)
    variance, components = torch.linalg.eigh(rows.T @ rows / len(rows))
    floor = WHITENING_FLOOR * variance[-1]
    whitened = (components / (variance + floor).sqrt()).T.flip(0)
    kept = min(width, len(whitened))
    patches.weight[:kept] = whitened[:kept].reshape(kept, *patches.weight.shape[1:]).to(patches.weight.dtype)


def _augment(images: Tensor) -> Tensor:
    """Mirror and shift pictures, eight alike at a time: captions say nothing of left, right, up and down."""
    return torch.cat([_mirror_and_shift(part) for part in images.split(8)])


def _mirror_and_shift(images: Tensor) -> Tensor:
    mirrored = [axis for axis in (-2, -1) if torch.rand(()) < 0.5]
    shift = torch.randint(-LARGEST_SHIFT, LARGEST_SHIFT + 1, (2,)).tolist()
    return images.flip(mirrored).roll(shift, (-2, -1))


def _optimizers(model: open_clip.CLIP, *, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks (Jordan et al. 2024): it needs half the pictures; AdamW for the rest."""
    in_blocks = {name for name, weights in model.named_parameters() if "resblocks" in name and weights.ndim == 2}
    matrices = [weights for name, weights in model.named_parameters() if name in in_blocks]
    rest = [weights for name, weights in model.named_parameters() if name not in in_blocks]
    return [
        torch.optim.Muon(matrices, lr=MUON_RATIO * learning_rate, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.2, fused=True),
    ]


def _schedule(optimizer: torch.optim.Optimizer, *, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Warm up over a tenth of the steps, then let the learning rate fall as a cosine."""
    highest = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=highest, total_steps=max(steps, 10) + 1, pct_start=0.1, cycle_momentum=False
    )
