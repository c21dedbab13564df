"""Fine-tuning to MEG: the group model and the personal ones, one loop in two stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba import rdm
from cliphba.clip import adapters
from cliphba.clip.backbone import Backbone
from cliphba.config import DynamicTraining
from cliphba.models.checkpoint import DynamicState, TrainedAdapter
from cliphba.models.heads import DynamicHead, TrainingNoise, block_similarity
from cliphba.train.loop import EpochLosses, Task, fit
from cliphba.train.losses import Objective, loss_parts

# Images that pass the frozen tower at once when the table of block similarities is made.
TABLE_BATCH = 128


@dataclass(frozen=True)
class MeasuredImages:
    """Decoded images (images, 3, height, width) and their measured RDMs (times after onset, pairs)."""

    images: Tensor
    rdms: Tensor

    def subset(self, chosen: NDArray[np.intp]) -> MeasuredImages:
        """Restrict to some images, in the order chosen."""
        return MeasuredImages(self.images[chosen], rdm.select(self.rdms, chosen))


@dataclass(frozen=True)
class DynamicFit:
    """What training gave: the head's state, the adapters of stage 2, and the losses of each stage's epochs."""

    dynamic: DynamicState
    adapter: TrainedAdapter
    logs: tuple[list[EpochLosses], list[EpochLosses]]


@dataclass(frozen=True)
class DynamicModel:
    """A model in training: vision tower with adapters, frozen text features, dynamic head."""

    backbone: Backbone
    text_features: Tensor
    head: DynamicHead

    def similarity(self, images: Tensor) -> Tensor:
        """Table S of the images: (blocks, images, dimensions)."""
        return block_similarity(self.backbone.block_features(images), self.text_features, self.backbone.scale)

    @torch.no_grad()
    def table(self, images: Tensor) -> Tensor:
        """Table S without gradients, in batches."""
        return torch.cat([self.similarity(part) for part in images.split(TABLE_BATCH)], dim=1)

    def losses(self, similarity: Tensor, target: Tensor, noise: TrainingNoise | None = None) -> Tensor:
        """Losses (3,) of the RDMs predicted from a table S."""
        return loss_parts(rdm.correlation_distance(self.head(similarity, noise)), target)


def fit_dynamic(
    start: Backbone,
    *,
    text_features: Tensor,
    head: DynamicHead,
    training: MeasuredImages,
    validation: MeasuredImages,
    settings: DynamicTraining,
    noise_scale: float,
    seed: int,
    kept: Path | None = None,
) -> DynamicFit:
    """Train the reweighting of the blocks, then reweighting and vision adapters, towards measured RDMs.

    Both stages keep the epoch with the lowest validation loss, the start included (CLIP-HBA, arXiv 2502.04658,
    Methods, with its faults mended).

    Parameters
    ----------
    start
        The backbone with all earlier adapters folded in; a copy is trained.
    text_features
        (dimensions, shared dimensions), frozen.
    head
        Start of the reweighting; trained in place.
    training, validation
        Images with RDMs from the training half of the data.
    settings
        Adapters, losses and optimisation.
    noise_scale
        Scale of the temporal noise in training; validation is free of it.
    seed
        Of adapters, batches and noise.
    kept
        Folder for the state after every epoch; a training that was killed goes on from there.
    """
    plan = adapters.AdapterPlan.of(settings.adapter, vision=tuple(range(start.vision_blocks)))
    adapted = adapters.add_adapters(start.copy().clip, plan, seed)
    model = DynamicModel(start.with_clip(adapted.clip), text_features, head)
    noise = TrainingNoise(torch.Generator(start.device).manual_seed(seed), noise_scale)
    with torch.no_grad():
        before = model.losses(model.table(validation.images), validation.rdms)
    objective = Objective.relative_to(before, settings.loss)
    stage_1 = _reweighting_task(model, training, validation, objective, noise)
    stage_2 = _adapter_task(model, adapted, training, validation, objective, noise, settings.batch_size, seed)

    reweighting = {"params": [head.reweighting], "lr": settings.reweighting_learning_rate}
    vision = {"params": adapted.trainable(), "lr": settings.adapter_learning_rate}
    first = torch.optim.AdamW([reweighting], weight_decay=settings.weight_decay)
    epochs, patience = settings.stage_1_epochs, settings.stage_1_patience
    logits, log_1 = fit(stage_1, first, epochs=epochs, patience=patience, kept=kept and kept / "stage_1.pt")
    head.reweighting.data.copy_(logits)
    second = torch.optim.AdamW([reweighting, vision], weight_decay=settings.weight_decay)
    epochs, patience = settings.stage_2_epochs, settings.stage_2_patience
    (logits, state), log_2 = fit(stage_2, second, epochs=epochs, patience=patience, kept=kept and kept / "stage_2.pt")
    return DynamicFit(DynamicState(head.curves, logits, head.window_ms), TrainedAdapter(plan, state), (log_1, log_2))


def _reweighting_task(
    model: DynamicModel,
    training: MeasuredImages,
    validation: MeasuredImages,
    objective: Objective,
    noise: TrainingNoise,
) -> Task[Tensor, Tensor]:
    """Stage 1: each step sees all pairs of training images, from a table; the vision tower is not run."""
    table, held_out = model.table(training.images), model.table(validation.images)
    return Task(
        name="stage 1: reweighting",
        batches=lambda: [table],
        losses=lambda similarity: model.losses(similarity, training.rdms, noise),
        validation_losses=lambda: model.losses(held_out, validation.rdms),
        objective=objective.total,
        snapshot=lambda: model.head.reweighting.detach().clone(),
        generators=[noise.generator],
    )


def _adapter_task(
    model: DynamicModel,
    adapted: Any,
    training: MeasuredImages,
    validation: MeasuredImages,
    objective: Objective,
    noise: TrainingNoise,
    batch_size: int,
    seed: int,
) -> Task[MeasuredImages, tuple[Tensor, dict[str, Tensor]]]:
    """Stage 2: new batches of images in every epoch through the vision tower."""
    shuffle = np.random.default_rng(seed)
    return Task(
        name="stage 2: adapters",
        batches=lambda: _batches(training, shuffle, batch_size),
        losses=lambda batch: model.losses(model.similarity(batch.images), batch.rdms, noise),
        validation_losses=lambda: model.losses(model.table(validation.images), validation.rdms),
        objective=objective.total,
        snapshot=lambda: (model.head.reweighting.detach().clone(), adapted.state()),
        generators=[shuffle, noise.generator],
    )


def _batches(training: MeasuredImages, shuffle: np.random.Generator, size: int) -> Iterator[MeasuredImages]:
    """Cut the shuffled images into batches of nearly equal size, so that no image is left out of an epoch."""
    images = len(training.images)
    for chosen in np.array_split(shuffle.permutation(images), max(1, round(images / size))):
        yield training.subset(chosen)
