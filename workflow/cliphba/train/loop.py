"""The one training loop: every model of this package is trained by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import pandas as pd
import torch
from torch import Tensor

from cliphba.progress import track

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
    """

    name: str
    batches: Callable[[], Iterable[Batch]]
    losses: Callable[[Batch], Tensor]
    validation_losses: Callable[[], Tensor]
    objective: Callable[[Tensor], Tensor]
    snapshot: Callable[[], State]


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


def fit(
    task: Task[Batch, State], optimizer: torch.optim.Optimizer, *, epochs: int, patience: int
) -> tuple[State, list[EpochLosses]]:
    """Train until the validation loss has not improved for `patience` epochs.

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
    log: list[EpochLosses] = []

    def record(epoch: int, split: str, parts: Tensor) -> float:
        total = task.objective(parts).item()
        if math.isnan(total):
            raise ValueError(
                f"{task.name}: the {split} loss of epoch {epoch} is not a number; look for missing values in the "
                "targets, or lower the learning rate"
            )
        log.append(EpochLosses(epoch, split, total, tuple(parts.tolist())))
        return total

    with torch.no_grad():
        lowest, best, waited = record(0, "validation", task.validation_losses()), task.snapshot(), 0
    for epoch in track(range(1, epochs + 1), task.name, unit="epoch"):
        seen = []
        for batch in task.batches():
            optimizer.zero_grad()
            parts = task.losses(batch)
            task.objective(parts).backward()
            optimizer.step()
            seen.append(parts.detach())
        record(epoch, "train", torch.stack(seen).mean(dim=0))
        with torch.no_grad():
            loss = record(epoch, "validation", task.validation_losses())
        if loss < lowest:
            lowest, best, waited = loss, task.snapshot(), 0
        else:
            waited += 1
        if waited >= patience:
            break
    return best, log
