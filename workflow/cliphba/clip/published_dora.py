"""The adapters of the published procedure, which are not quite DoRA.

With rows w_o of a weight, their lengths m_o = |w_o| and directions V_o = w_o / m_o,

    W'_o = m_o (V_o + dV_o) / |V_o + dV_o|,   dV = (alpha / rank) B A

(CLIP-HBA, arXiv 2502.04658, Methods). DoRA (arXiv 2402.09353) adds the update to the weight itself instead and takes
the norm as constant in the gradient. Here both factors start at random, so that the model differs from its base
before the first step: |dV_o| is about alpha / (3 rank). That is a fault (docs/method.md), kept to be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import open_clip
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class RowDirectionUpdate(nn.Module):
    """Turn the rows of a weight (outputs, inputs) by a low-rank update of their directions."""

    def __init__(self, weight: Tensor, *, rank: int, alpha: float, magnitude: bool) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.scaling = alpha / rank
        self.first = nn.Parameter(torch.empty(rank, inputs))
        self.second = nn.Parameter(torch.empty(outputs, rank))
        for factor in (self.first, self.second):
            nn.init.kaiming_uniform_(factor, a=math.sqrt(5))
        self.magnitude = nn.Parameter(weight.detach().norm(dim=1), requires_grad=magnitude)

    def forward(self, weight: Tensor) -> Tensor:
        """Give the updated weight."""
        direction = nn.functional.normalize(weight, dim=1) + self.scaling * self.second @ self.first
        return self.magnitude[:, None] * nn.functional.normalize(direction, dim=1)


class PublishedDora:
    """The published adapters, as parametrizations of the weights; an `AdaptedClip`."""

    def __init__(
        self, clip: open_clip.CLIP, places: Sequence[str], *, rank: int, alpha: float, magnitude: bool
    ) -> None:
        self.clip = clip.requires_grad_(False)
        self._updates: dict[str, RowDirectionUpdate] = {}
        for place in places:
            module = clip.get_submodule(place)
            update = RowDirectionUpdate(module.weight, rank=rank, alpha=alpha, magnitude=magnitude)
            parametrize.register_parametrization(module, "weight", update)
            self._updates[place] = update

    def trainable(self) -> list[nn.Parameter]:
        """Every parameter that training may change."""
        return [
            parameter
            for update in self._updates.values()
            for parameter in update.parameters()
            if parameter.requires_grad
        ]

    def state(self) -> dict[str, Tensor]:
        """Copy the adapters' weights to the CPU."""
        return {
            f"{place}.{name}": tensor.detach().cpu().clone()
            for place, update in self._updates.items()
            for name, tensor in update.state_dict().items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        for place, update in self._updates.items():
            update.load_state_dict({name: state[f"{place}.{name}"] for name in update.state_dict()})

    def merge(self) -> open_clip.CLIP:
        """Fold the adapters into the weights they adapt."""
        for place in self._updates:
            parametrize.remove_parametrizations(self.clip.get_submodule(place), "weight", leave_parametrized=True)
        return self.clip
