"""Fine-tuning CLIP to behavioural dimensions: the Behavior model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cliphba.clip import adapters
from cliphba.clip.backbone import Backbone
from cliphba.clip.economy import arithmetic
from cliphba.clip.upper import Stream, UpperTower, text_tower, vision_tower
from cliphba.config import BehaviorTraining, Precision
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


@dataclass(frozen=True)
class BehaviorModel:
    """A model in training, from the first adapted block of either tower on.

    Attributes
    ----------
    vision, text
        The upper parts of the towers, with adapters.
    prompts
        What enters the text tower's, for all dimensions.
    scale
        exp of CLIP's logit scale.
    precision
        Arithmetic of the towers.
    """

    vision: UpperTower
    text: UpperTower
    prompts: Stream
    scale: Tensor
    precision: Precision

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        plan: adapters.AdapterPlan,
        prompts: Sequence[str],
        batch: int,
        precision: Precision = "float32",
    ) -> BehaviorModel:
        """Put a model together around an adapted backbone; some prompts pass the frozen blocks at once."""
        # refuses prompts that the tokenizer would cut silently
        with torch.no_grad():
            backbone.text_features(prompts)
        vision = min(plan.blocks["vision"], default=backbone.vision_blocks)
        text = UpperTower(text_tower(backbone.clip), min(plan.blocks["text"], default=backbone.text_blocks))
        entering = text.enter(backbone.tokenize(list(prompts)), batch)
        return cls(UpperTower(vision_tower(backbone.clip), vision), text, entering, backbone.scale, precision)

    def predict(self, images: Stream) -> Tensor:
        """Embed what enters the upper vision tower: (images, dimensions)."""
        with arithmetic(self.scale.device, self.precision):
            features, prompts = self.vision.features(images), self.text.features(self.prompts)
        return behavior_embedding(features.float(), prompts.float(), self.scale)


def fit_behavior(
    backbone: Backbone,
    *,
    prompts: Sequence[str],
    training: LabelledImages,
    validation: LabelledImages,
    settings: BehaviorTraining,
    seed: int,
    precision: Precision = "float32",
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
    precision
        Arithmetic of the towers above the first adapted blocks.
    kept
        Folder for the state after every epoch; a training that was killed goes on from there.
    """
    plan = adapters.AdapterPlan.of(
        settings.adapter,
        vision=_last(backbone.vision_blocks, settings.vision_blocks),
        text=_last(backbone.text_blocks, settings.text_blocks),
    )
    adapted = adapters.add_adapters(backbone.copy().clip, plan, seed)
    model = BehaviorModel.of(backbone.with_clip(adapted.clip), plan, prompts, settings.batch_size, precision)
    seen, held_out = (model.vision.enter(part.images, settings.batch_size) for part in (training, validation))

    def validation_losses() -> Tensor:
        batches = zip(*(part.split(settings.batch_size) for part in held_out), strict=True)
        return _losses(torch.cat([model.predict(batch) for batch in batches]), validation.target)

    shuffle = np.random.default_rng(seed)
    task = Task(
        name="behavior",
        batches=lambda: torch.from_numpy(shuffle.permutation(len(training.images))).split(settings.batch_size),
        losses=lambda chosen: _losses(model.predict(tuple(part[chosen] for part in seen)), training.target[chosen]),
        validation_losses=validation_losses,
        objective=torch.sum,
        snapshot=adapted.state,
        generators=[shuffle],
    )
    optimizer = torch.optim.AdamW(adapted.trainable(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    file = kept and kept / "behavior.pt"
    state, log = fit(task, optimizer, epochs=settings.epochs, patience=settings.patience, kept=file)
    return BehaviorFit(TrainedAdapter(plan, state), log)


def _losses(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, the only part of the loss (1,)."""
    return nn.functional.mse_loss(predicted, target)[None]


def _last(blocks: int, wanted: int) -> tuple[int, ...]:
    if wanted > blocks:
        raise ValueError(f"behavior_training asks for {wanted} adapted blocks, but this tower has {blocks}")
    return tuple(range(blocks - wanted, blocks))
