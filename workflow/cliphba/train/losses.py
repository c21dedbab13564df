"""What the MEG models minimise: three ways in which predicted RDMs can differ from measured ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cliphba import rdm
from cliphba.config import LossWeights

# Variation of a mean time generalisation that may be rounding, in units of the number format's resolution: a model
# that weighs the blocks alike at all times has none, and its correlation with the measured one shall not be chance.
ROUNDING = 1000


def mean_generalisation(rdms: Tensor) -> Tensor:
    """Mean over t' of the correlation of the RDM at t with that at t': (..., times, pairs) to (..., times)."""
    unit = rdm.standardise(rdms)
    return (unit @ unit.mean(dim=-2)[..., None])[..., 0]


def loss_parts(predicted: Tensor, target: Tensor) -> Tensor:
    """Pattern, magnitude and generalisation loss (CLIP-HBA, arXiv 2502.04658, Methods).

    Parameters
    ----------
    predicted, target
        RDMs over time (..., times, pairs).

    Returns
    -------
    Tensor
        (..., 3): 1 - Pearson over all times and pairs together; mean squared error; 1 - Pearson of the mean time
        generalisations.
    """
    pattern = 1 - rdm.pearson(predicted.flatten(-2), target.flatten(-2))
    magnitude = torch.mean((predicted - target) ** 2, dim=(-2, -1))
    least = predicted.shape[-2] * (ROUNDING * torch.finfo(predicted.dtype).eps) ** 2
    generalisation = 1 - rdm.pearson(mean_generalisation(predicted), mean_generalisation(target), least)
    return torch.stack([pattern, magnitude, generalisation], dim=-1)


@dataclass(frozen=True)
class Objective:
    """The weighted sum of the parts, each relative to its value on validation images before training.

    Attributes
    ----------
    factors
        (..., 3): weight of each part divided by its value before training.
    """

    factors: Tensor

    @classmethod
    def relative_to(cls, before: Tensor, weights: LossWeights) -> Objective:
        """Weigh the parts against their values before training (..., 3)."""
        wanted = torch.tensor([weights.pattern, weights.magnitude, weights.generalisation])
        return cls(wanted.to(before) / before.clamp(min=torch.finfo(before.dtype).eps))

    def total(self, parts: Tensor) -> Tensor:
        """Weighted sum of the parts: (..., 3) to (...)."""
        return (self.factors * parts).sum(-1)
