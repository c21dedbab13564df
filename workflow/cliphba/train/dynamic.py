"""Fine-tuning to MEG: the group model and the personal ones, in two stages.

Stage 1 trains the reweighting of the blocks; the vision tower is not run, for all that is needed of it stands in one
table. Stage 2 trains the reweighting and adapters in every vision block. Both keep the epoch with the lowest
validation loss, the start included (CLIP-HBA, arXiv 2502.04658, Methods, with its faults mended).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba import rdm
from cliphba.clip import adapters
from cliphba.clip.backbone import Backbone
from cliphba.clip.economy import arithmetic, forget_activations
from cliphba.config import Compute, DynamicTraining, Protocol, derive_seed
from cliphba.models.checkpoint import DynamicState, TrainedAdapter
from cliphba.models.heads import DynamicHead, TemporalNoise, block_similarity, stack_heads
from cliphba.train.loop import EpochLosses, Task, fit, fit_members
from cliphba.train.losses import Objective, Target, loss_parts

# Images that pass the frozen tower at once when the table of block similarities is made.
TABLE_BATCH = 128


@dataclass(frozen=True)
class MeasuredImages:
    """Decoded images (images, 3, height, width) and their measured RDMs (..., times, pairs)."""

    images: Tensor
    rdms: Tensor

    @cached_property
    def target(self) -> Target:
        """The RDMs as the losses take them."""
        return Target(self.rdms)

    def subset(self, chosen: NDArray[np.intp]) -> MeasuredImages:
        """Restrict to some images, in the order chosen."""
        return MeasuredImages(self.images[chosen], rdm.select(self.rdms, chosen))


@dataclass(frozen=True)
class Setup:
    """What both stages of a training share.

    Attributes
    ----------
    start
        The backbone with all earlier adapters folded in; a copy is trained.
    text_features
        (dimensions, shared dimensions), frozen.
    training, validation
        Images with RDMs from the training half of the data.
    settings
        Adapters, losses and optimisation.
    protocol, compute
        How the method is run; precision and memory.
    seed
        Of adapters, batches and noise.
    kept
        Folder for the state after every epoch; a training that was killed goes on from there.
    """

    start: Backbone
    text_features: Tensor
    training: MeasuredImages
    validation: MeasuredImages
    settings: DynamicTraining
    protocol: Protocol
    seed: int
    compute: Compute = Compute()  # noqa: RUF009  (it cannot change)
    kept: Path | None = None

    def noise(self, stage: str) -> TemporalNoise:
        """Noise of a stage, from its start."""
        generator = torch.Generator(self.start.device).manual_seed(derive_seed(self.seed, "noise", stage))
        return TemporalNoise(generator, self.protocol.noise_scale)

    def adapted(self) -> tuple[adapters.AdapterPlan, adapters.AdaptedClip]:
        """Put fresh adapters on all vision blocks of a copy of the start, the same in every call."""
        plan = adapters.AdapterPlan.of(self.settings.adapter, vision=tuple(range(self.start.vision_blocks)))
        return plan, adapters.add_adapters(self.start.copy().clip, plan, derive_seed(self.seed, "adapters"))

    def evaluation_noise(self, noise: TemporalNoise) -> TemporalNoise | None:
        """Noise outside of training, if the protocol wants it."""
        return noise if self.protocol.noise_at_evaluation else None

    def model(self, backbone: Backbone, head: DynamicHead) -> DynamicModel:
        """Put a model together."""
        return DynamicModel(backbone, self.text_features, head, self.compute)

    def shuffle(self) -> np.random.Generator:
        """Give what batches are drawn from, from its start: the first are the same in both stages."""
        return np.random.default_rng(derive_seed(self.seed, "batches"))

    def batches(self, shuffle: np.random.Generator) -> list[NDArray[np.intp]]:
        """Cut the shuffled training images into batches of nearly equal size, none left out."""
        images = len(self.training.images)
        return np.array_split(shuffle.permutation(images), max(1, round(images / self.settings.batch_size)))

    def state(self, name: str, head: DynamicHead, reweighting: Tensor) -> DynamicState:
        """Describe the trained head of a model of this name."""
        seed = derive_seed(self.seed, "noise at evaluation", name)
        noise = (self.protocol.noise_scale, seed) if self.protocol.noise_at_evaluation else None
        return DynamicState(head.curves, reweighting, head.window_ms, head.block_weights, noise)


@dataclass(frozen=True)
class DynamicModel:
    """A model in training: vision tower with adapters, frozen text features, dynamic head."""

    backbone: Backbone
    text_features: Tensor
    head: DynamicHead
    compute: Compute = Compute()  # noqa: RUF009  (it cannot change)

    def similarity(self, images: Tensor) -> Tensor:
        """Table S of the images: (blocks, images, dimensions)."""
        with arithmetic(self.backbone.device, self.compute.precision):
            features = self.backbone.block_features(images)
        return block_similarity(features.float(), self.text_features, self.backbone.scale)

    @torch.no_grad()
    def table(self, images: Tensor) -> Tensor:
        """Table S without gradients, in batches."""
        return torch.cat([self.similarity(part) for part in images.split(TABLE_BATCH)], dim=1)

    def losses(self, similarity: Tensor, target: Target, noise: TemporalNoise | None = None) -> Tensor:
        """Losses (..., 3) of the RDMs predicted from a table S."""
        return loss_parts(self.head(similarity, noise), target)


@dataclass(frozen=True)
class ReweightingFit:
    """What stage 1 gave one member: the head's state, losses before it (3,), and those of each epoch."""

    dynamic: DynamicState
    before: Tensor
    log: list[EpochLosses]


@dataclass(frozen=True)
class AdapterFit:
    """What stage 2 gave: the head's state, the adapters, and the losses of each epoch."""

    dynamic: DynamicState
    adapter: TrainedAdapter
    log: list[EpochLosses]


def fit_reweightings(setup: Setup, heads: Mapping[str, DynamicHead]) -> list[ReweightingFit]:
    """Stage 1: train the reweightings of several members (participants, or the group) at once.

    They share the images, the table and the noise, and nothing else: each gets what it would get alone.

    Parameters
    ----------
    setup
        Of the training, with RDMs (members, times, pairs).
    heads
        Name of each member to its start.
    """
    # the published adapters change the tower before any training
    _, adapted = setup.adapted()
    model = setup.model(setup.start.with_clip(adapted.clip), stack_heads(list(heads.values())))
    noise = setup.noise("stage 1")
    table, held_out = model.table(setup.training.images), model.table(setup.validation.images)

    def validation_losses() -> Tensor:
        return model.losses(held_out, setup.validation.target, setup.evaluation_noise(noise))

    with torch.no_grad():
        before = validation_losses()
    batches = [(table, setup.training.target)]
    if setup.protocol.batches == "frozen":
        chosen = setup.batches(setup.shuffle())
        batches = [(table[:, images], Target(rdm.select(setup.training.rdms, images))) for images in chosen]
    task: Task[tuple[Tensor, Target], Tensor] = Task(
        name="stage 1: reweighting",
        batches=lambda: batches,
        losses=lambda batch: model.losses(*batch, noise),
        validation_losses=validation_losses,
        objective=Objective.relative_to(before, setup.settings.loss).total,
        snapshot=lambda: model.head.reweighting.detach().cpu().clone(),
        generators=[noise.generator],
    )
    settings = setup.settings
    found, logs = fit_members(
        task,
        torch.optim.AdamW(
            [model.head.reweighting], lr=settings.reweighting_learning_rate, weight_decay=settings.weight_decay
        ),
        epochs=settings.stage_1_epochs,
        patience=settings.stage_1_patience,
        kept=setup.kept and setup.kept / "stage_1.pt",
    )
    return [
        ReweightingFit(setup.state(name, head, values), losses, log)
        for (name, head), values, losses, log in zip(heads.items(), found, before.cpu(), logs, strict=True)
    ]


def fit_adapters(setup: Setup, name: str, head: DynamicHead, objective: Objective) -> AdapterFit:
    """Stage 2: train a head's reweighting and adapters in every vision block.

    Parameters
    ----------
    setup
        Of the training.
    name
        Of the model.
    head
        With the reweighting that stage 1 gave; trained in place.
    objective
        Relative to the losses before stage 1.
    """
    plan, adapted = setup.adapted()
    if setup.compute.gradient_checkpointing:
        forget_activations(adapted.clip)
    model = setup.model(setup.start.with_clip(adapted.clip), head)
    settings, noise, shuffle = setup.settings, setup.noise("stage 2"), setup.shuffle()
    task: Task[MeasuredImages, tuple[Tensor, dict[str, Tensor]]] = Task(
        name="stage 2: adapters",
        batches=_batches(setup, shuffle),
        losses=lambda batch: model.losses(model.similarity(batch.images), batch.target, noise),
        validation_losses=lambda: model.losses(
            model.table(setup.validation.images), setup.validation.target, setup.evaluation_noise(noise)
        ),
        objective=objective.total,
        snapshot=lambda: (head.reweighting.detach().cpu().clone(), adapted.state()),
        generators=[shuffle, noise.generator],
    )
    reweighting = {"params": [head.reweighting], "lr": settings.reweighting_learning_rate}
    vision = {"params": adapted.trainable(), "lr": settings.adapter_learning_rate}
    (found, state), log = fit(
        task,
        torch.optim.AdamW([reweighting, vision], weight_decay=settings.weight_decay),
        epochs=settings.stage_2_epochs,
        patience=settings.stage_2_patience,
        kept=setup.kept and setup.kept / "stage_2.pt",
    )
    return AdapterFit(setup.state(name, head, found), TrainedAdapter(plan, state), log)


def _batches(setup: Setup, shuffle: np.random.Generator) -> Callable[[], Iterable[MeasuredImages]]:
    """Give new batches at every call, or the same."""
    if setup.protocol.batches == "frozen":
        frozen = [setup.training.subset(chosen) for chosen in setup.batches(shuffle)]
        return lambda: frozen
    return lambda: (setup.training.subset(chosen) for chosen in setup.batches(shuffle))
