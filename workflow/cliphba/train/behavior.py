"""Fine-tuning CLIP to behavioural dimensions: the Behavior model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cliphba.clip import adapters
from cliphba.clip.backbone import Backbone
from cliphba.config import BehaviorTraining
from cliphba.models.checkpoint import TrainedAdapter
from cliphba.models.heads import behavior_embedding
from cliphba.train.loop import EpochLosses, Task, fit


@dataclass(frozen=True)
class LabelledImages:
    """Decoded images (images, 3, height, width) and their target embedding (images, dimensions), 0-100."""

    images: Tensor
    target: Tensor


@dataclass(frozen=True)
class BehaviorFit:
    """What fine-tuning gave: the adapters and, for each epoch, the losses."""

    adapter: TrainedAdapter
    log: list[EpochLosses]


class UpperVision(nn.Module):
    """The blocks of a vision tower from some block on: all of it that adapters in them can change."""

    def __init__(self, visual: Any, first: int) -> None:
        super().__init__()
        self.visual = visual
        self.first = first

    @torch.no_grad()
    def lower_tokens(self, images: Tensor, batch: int) -> Tensor:
        """Tokens that enter the first of these blocks: (images, tokens, width). Computed once, never changing."""
        return torch.cat([self._lower(part) for part in images.split(batch)])

    def _lower(self, images: Tensor) -> Tensor:
        if self.first == 0:
            embedded: Tensor = self.visual._embeds(images)
            return embedded
        outputs = self.visual.forward_intermediates(
            images,
            indices=[self.first - 1],
            stop_early=True,
            intermediates_only=True,
            output_fmt="NLC",
            output_extra_tokens=True,
        )
        return torch.cat([outputs["image_intermediates_prefix"][0], outputs["image_intermediates"][0]], dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Normalised image features (images, shared dimensions) from the lower tokens."""
        for block in self.visual.transformer.resblocks[self.first :]:
            tokens = block(tokens)
        pooled, _ = self.visual._pool(tokens)
        return nn.functional.normalize(pooled @ self.visual.proj, dim=-1)


def fit_behavior(
    backbone: Backbone,
    *,
    prompts: Sequence[str],
    training: LabelledImages,
    validation: LabelledImages,
    settings: BehaviorTraining,
    seed: int,
    kept: Path | None = None,
) -> BehaviorFit:
    """Fine-tune the last blocks of both towers so that scaled image-prompt cosines predict human dimensions.

    Mean squared error to the 0-100 target (CLIP-HBA, arXiv 2502.04658, Methods).

    Parameters
    ----------
    backbone
        Left as it is: a copy is trained.
    prompts
        One text for each dimension, whole and verbatim.
    training, validation
        Images with targets; the epoch with the best validation loss is kept.
    settings
        Adapters and optimisation.
    seed
        Of adapters and batches.
    kept
        Folder for the state after every epoch; a training that was killed goes on from there.
    """
    plan = adapters.AdapterPlan.of(
        settings.adapter,
        vision=_last(backbone.vision_blocks, settings.vision_blocks),
        text=_last(backbone.text_blocks, settings.text_blocks),
    )
    adapted = adapters.add_adapters(backbone.copy().clip, plan, seed)
    model = backbone.with_clip(adapted.clip)
    upper = UpperVision(model.clip.visual, backbone.vision_blocks - settings.vision_blocks)
    tokens = upper.lower_tokens(training.images, settings.batch_size)
    held_out_tokens = upper.lower_tokens(validation.images, settings.batch_size)

    def losses(tokens: Tensor, target: Tensor) -> Tensor:
        predicted = behavior_embedding(upper(tokens), model.text_features(prompts), model.scale)
        return nn.functional.mse_loss(predicted, target)[None]

    shuffle = np.random.default_rng(seed)
    task = Task(
        name="behavior",
        batches=lambda: torch.from_numpy(shuffle.permutation(len(tokens))).split(settings.batch_size),
        losses=lambda chosen: losses(tokens[chosen], training.target[chosen]),
        validation_losses=lambda: losses(held_out_tokens, validation.target),
        objective=torch.sum,
        snapshot=adapted.state,
        generators=[shuffle],
    )
    optimizer = torch.optim.AdamW(adapted.trainable(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    file = kept and kept / "behavior.pt"
    state, log = fit(task, optimizer, epochs=settings.epochs, patience=settings.patience, kept=file)
    return BehaviorFit(TrainedAdapter(plan, state), log)


def _last(blocks: int, wanted: int) -> tuple[int, ...]:
    if wanted > blocks:
        raise ValueError(f"behavior_training asks for {wanted} adapted blocks, but this tower has {blocks}")
    return tuple(range(blocks - wanted, blocks))
