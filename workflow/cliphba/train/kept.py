"""The state of a training between two epochs, kept in a file from which a job that was killed goes on."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cliphba.tables import write_atomically

Generator = np.random.Generator | torch.Generator


@dataclass(frozen=True)
class Kept:
    """Everything that the rest of a training depends on, in a file.

    Attributes
    ----------
    path
        The file; it is replaced as a whole.
    optimizer
        Its state and its parameters are kept: all that training changes.
    generators
        Whatever the rest of the training draws random numbers from.
    """

    path: Path
    optimizer: torch.optim.Optimizer
    generators: Sequence[Generator] = ()

    def save(self, course: dict[str, Any]) -> None:
        """Keep the state; `course` is what else there is to remember, tensors and plain values."""
        content = io.BytesIO()
        state = {
            "course": course,
            "parameters": [parameter.detach() for parameter in self._parameters()],
            "optimizer": self.optimizer.state_dict(),
            "generators": [_state_of(generator) for generator in self.generators],
        }
        torch.save(state, content)
        write_atomically(self.path, content.getvalue())

    def load(self) -> dict[str, Any] | None:
        """Go back to what was kept, if anything was; give the course."""
        if not self.path.exists():
            return None
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        with torch.no_grad():
            for parameter, kept in zip(self._parameters(), state["parameters"], strict=True):
                parameter.copy_(kept)
        self.optimizer.load_state_dict(state["optimizer"])
        for generator, kept in zip(self.generators, state["generators"], strict=True):
            _restore(generator, kept)
        course: dict[str, Any] = state["course"]
        return course

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def _state_of(generator: Generator) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    return generator.bit_generator.state


def _restore(generator: Generator, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
