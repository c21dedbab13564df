"""The one training loop: every model of this package is trained by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd
import torch
from torch import Tensor

from cliphba.progress import track
from cliphba.train.kept import Generator, Kept

Batch = TypeVar("Batch")
State = TypeVar("State")


@dataclass(frozen=True)
class Task(Generic[Batch, State]):
    """What the loop has to know of a model.

    Attributes
    ----------
    name
        Shown beside the progress bar.
    batches
        Gives the batches of a new epoch.
    losses
        From a batch to the parts of its loss (parts,).
    validation_losses
        Parts of the loss on validation images (parts,), free of noise.
    objective
        From parts to the one number that is minimised.
    snapshot
        A copy of everything that training changes.
    generators
        Whatever batches and losses draw random numbers from.
    """

    name: str
    batches: Callable[[], Iterable[Batch]]
    losses: Callable[[Batch], Tensor]
    validation_losses: Callable[[], Tensor]
    objective: Callable[[Tensor], Tensor]
    snapshot: Callable[[], State]
    generators: Sequence[Generator] = ()


@dataclass(frozen=True)
class EpochLosses:
    """Losses of an epoch, training ones averaged over its batches."""

    epoch: int
    split: str
    total: float
    parts: tuple[float, ...]


PARTS = ("pattern", "magnitude", "generalisation")


def tabulate(stages: Sequence[Sequence[EpochLosses]]) -> pd.DataFrame:
    """Table of kind ``training``: a row for each stage, epoch and split; a loss of one part has a total only."""
    rows = [
        {"stage": stage, "epoch": losses.epoch, "split": losses.split, "total": losses.total}
        | dict.fromkeys(PARTS)
        | (dict(zip(PARTS, losses.parts, strict=True)) if len(losses.parts) > 1 else {})
        for stage, log in enumerate(stages, start=1)
        for losses in log
    ]
    return pd.DataFrame(rows)


def best_loss(log: Sequence[EpochLosses]) -> float:
    """Lowest validation loss of a training."""
    return min(losses.total for losses in log if losses.split == "validation")


@dataclass
class Course(Generic[State]):
    """How far a training has come."""

    log: list[EpochLosses]
    best: State
    lowest: float
    waited: int = 0

    def describe(self) -> dict[str, Any]:
        """Give plain values and tensors that `Course.resume` takes back."""
        return {**vars(self), "log": [astuple(losses) for losses in self.log]}

    @classmethod
    def resume(cls, described: dict[str, Any]) -> Course[State]:
        """Take up what `describe` gave."""
        return cls(**{**described, "log": [EpochLosses(*losses) for losses in described["log"]]})


def fit(
    task: Task[Batch, State],
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    patience: int,
    kept: Path | None = None,
) -> tuple[State, list[EpochLosses]]:
    """Train until the validation loss has not improved for `patience` epochs.

    Parameters
    ----------
    task
        What is trained.
    optimizer
        Holds all parameters that training changes.
    epochs
        At most so many.
    patience
        Epochs without a better validation loss before training stops.
    kept
        File in which the state is kept after every epoch. If it exists, training goes on from there, to the same
        result to the last bit on a CPU.

    Returns
    -------
    state
        Snapshot of the epoch with the lowest validation loss; the start is a candidate like any other.
    log
        Losses of every epoch.

    Raises
    ------
    ValueError
        If a loss is not a number.
    """
    store = Kept(kept, optimizer, task.generators) if kept else None
    course = _begin(task, store)
    for epoch in track(range(course.log[-1].epoch + 1, epochs + 1), task.name, unit="epoch"):
        if course.waited >= patience:
            break
        course.log.append(_train(task, optimizer, epoch))
        with torch.no_grad():
            losses = _describe(task, epoch, "validation", task.validation_losses())
        course.log.append(losses)
        course.waited += 1
        if losses.total < course.lowest:
            course.best, course.lowest, course.waited = task.snapshot(), losses.total, 0
        if store:
            store.save(course.describe())
    return course.best, course.log


def _begin(task: Task[Batch, State], store: Kept | None) -> Course[State]:
    """Go on from what was kept, or measure the start."""
    described = store.load() if store else None
    if described is not None:
        return Course.resume(described)
    with torch.no_grad():
        start = _describe(task, 0, "validation", task.validation_losses())
        return Course([start], task.snapshot(), start.total)


def _train(task: Task[Batch, State], optimizer: torch.optim.Optimizer, epoch: int) -> EpochLosses:
    """Train one epoch; give the mean losses of its batches."""
    seen = []
    for batch in task.batches():
        optimizer.zero_grad()
        parts = task.losses(batch)
        task.objective(parts).backward()
        optimizer.step()
        seen.append(parts.detach())
    return _describe(task, epoch, "train", torch.stack(seen).mean(dim=0))


def _describe(task: Task[Batch, State], epoch: int, split: str, parts: Tensor) -> EpochLosses:
    total = task.objective(parts).item()
    if math.isnan(total):
        raise ValueError(
            f"{task.name}: the {split} loss of epoch {epoch} is not a number; look for missing values in the "
            "targets, or lower the learning rate"
        )
    return EpochLosses(epoch, split, total, tuple(parts.tolist()))
