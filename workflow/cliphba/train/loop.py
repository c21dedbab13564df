"""The one training loop: every model of this package is trained by it."""

from __future__ import annotations

import logging
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

logger = logging.getLogger(__name__)


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
        From a batch to the parts of its loss: (parts,), or (members, parts).
    validation_losses
        The same on validation images.
    objective
        From parts to what is minimised: one number, or (members,).
    snapshot
        A copy of everything that training changes; of several members one tensor (members, ...).
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
    """How far a training has come; lowest losses and waits are (members,)."""

    logs: list[list[EpochLosses]]
    best: State
    lowest: Tensor
    waited: Tensor
    epoch: int = 0

    def note(self, losses: Sequence[EpochLosses], going: Tensor) -> None:
        """Write losses into the logs of the members that are still training."""
        for log, one, trains in zip(self.logs, losses, going.tolist(), strict=True):
            if trains:
                log.append(one)

    def describe(self) -> dict[str, Any]:
        """Give plain values and tensors that `Course.resume` takes back."""
        return {**vars(self), "logs": [[astuple(losses) for losses in log] for log in self.logs]}

    @classmethod
    def resume(cls, described: dict[str, Any]) -> Course[State]:
        """Take up what `describe` gave."""
        logs = [[EpochLosses(*losses) for losses in log] for log in described["logs"]]
        return cls(**{**described, "logs": logs})


def fit(
    task: Task[Batch, State],
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    patience: int,
    kept: Path | None = None,
) -> tuple[State, list[EpochLosses]]:
    """Train one model; see `fit_members`."""
    state, (log,) = fit_members(task, optimizer, epochs=epochs, patience=patience, kept=kept)
    return state, log


def fit_members(
    task: Task[Batch, State],
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    patience: int,
    kept: Path | None = None,
) -> tuple[State, list[list[EpochLosses]]]:
    """Train until the validation loss has not improved for `patience` epochs.

    Several models can be trained as one, if they share nothing but batches: members of the task. Each stops by
    itself; what it was at its best does not depend on when the others stop.

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
        Snapshot of the epoch with the lowest validation loss (of each member); the start is a candidate like any
        other.
    logs
        Losses of every epoch, for each member.

    Raises
    ------
    ValueError
        If a loss is not a number.
    """
    store = Kept(kept, optimizer, task.generators) if kept else None
    course = _begin(task, store)
    for epoch in track(range(course.epoch + 1, epochs + 1), task.name, unit="epoch"):
        going = course.waited < patience
        if not going.any():
            break
        course.note(_train(task, optimizer, epoch, going), going)
        losses = _validate(task, epoch, going)
        course.note(losses, going)
        total = _totals(losses)
        better = going & (total < course.lowest)
        course.best = _where(better, task.snapshot, course.best)
        course.lowest = torch.where(better, total, course.lowest)
        course.waited = torch.where(better, 0, course.waited + going)
        course.epoch = epoch
        if store:
            store.save(course.describe())
    return course.best, course.logs


def _begin(task: Task[Batch, State], store: Kept | None) -> Course[State]:
    """Go on from what was kept, or measure the start."""
    described = store.load() if store else None
    if described is not None:
        course: Course[State] = Course.resume(described)
        logger.info("%s: going on after epoch %d", task.name, course.epoch)
        return course
    start = _validate(task, 0, torch.tensor(True))
    waited = torch.zeros(len(start), dtype=torch.long)
    return Course([[losses] for losses in start], task.snapshot(), _totals(start), waited)


def _where(better: Tensor, snapshot: Callable[[], State], best: State) -> State:
    """Take over what has become better; only a task of one tensor, (members, ...), has several members."""
    if not better.any():
        return best
    found = snapshot()
    if better.all():
        return found
    return torch.where(better.view(-1, *[1] * (found.ndim - 1)), found, best)  # type: ignore[attr-defined, call-overload, no-any-return]


def _train(
    task: Task[Batch, State], optimizer: torch.optim.Optimizer, epoch: int, going: Tensor
) -> list[EpochLosses]:
    """Train one epoch; give the mean losses of its batches."""
    seen = []
    for batch in task.batches():
        optimizer.zero_grad()
        parts = task.losses(batch)
        task.objective(parts).sum().backward()
        optimizer.step()
        seen.append(parts.detach())
    return _describe(task, epoch, "train", torch.stack(seen).mean(dim=0), going)


@torch.no_grad()
def _validate(task: Task[Batch, State], epoch: int, going: Tensor) -> list[EpochLosses]:
    return _describe(task, epoch, "validation", task.validation_losses(), going)


def _describe(task: Task[Batch, State], epoch: int, split: str, parts: Tensor, going: Tensor) -> list[EpochLosses]:
    found = torch.atleast_1d(task.objective(parts)).cpu()
    totals = found.tolist()
    if (found.isnan() & going).any():
        raise ValueError(
            f"{task.name}: the {split} loss of epoch {epoch} is not a number; look for missing values in the "
            "targets, or lower the learning rate"
        )
    rows = torch.atleast_2d(parts).tolist()
    return [EpochLosses(epoch, split, total, tuple(row)) for total, row in zip(totals, rows, strict=True)]


def _totals(losses: Sequence[EpochLosses]) -> Tensor:
    return torch.tensor([one.total for one in losses], dtype=torch.float64)
