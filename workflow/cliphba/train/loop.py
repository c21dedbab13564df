"""The one training loop: every model of this package is trained by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

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
    """
    log: list[EpochLosses] = []

    def record(epoch: int, split: str, parts: Tensor) -> float:
        total = task.objective(parts).item()
        log.append(EpochLosses(epoch, split, total, tuple(parts.tolist())))
        return total

    with torch.no_grad():
        lowest, best, waited = record(0, "validation", task.validation_losses()), task.snapshot(), 0
    for epoch in tqdm(range(1, epochs + 1), desc=task.name, unit="epoch", disable=None):
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
