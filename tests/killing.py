"""Trainings that are cut down at a given step, as a cluster does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch


class Killed(BaseException):
    """No exception that a library would catch."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, training: Callable[[], Any]) -> bool:
    """Run a training that is cut down before some step of its optimiser; tell whether it got so far."""
    taken = []
    take = torch.optim.AdamW.step

    def until_killed(self: torch.optim.Optimizer, *arguments: Any, **options: Any) -> Any:
        if len(taken) == step:
            raise Killed
        taken.append(step)
        return take(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", until_killed)
        try:
            training()
        except Killed:
            return True
    return False
