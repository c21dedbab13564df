"""What the MEG models minimise: three ways in which predicted RDMs can differ from measured ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cliphba import rdm
from cliphba.config import LossWeights
from cliphba.train.pair_sums import Similarities

# Variation of a mean time generalisation that may be rounding, in units of the number format's resolution: a model
# that weighs the blocks alike at all times has none, and its correlation with the measured one shall not be chance.
ROUNDING = 1000
# Images for each dimension of an embedding up to which predicted RDMs are made: for fewer it is faster, for more they
# would fill the memory.
FEW_IMAGES = 3


@dataclass(frozen=True)
class Target:
    """Measured RDMs (..., times, pairs), and what the losses need of them."""

    rdms: Tensor

    @cached_property
    def generalisation(self) -> Tensor:
        """Mean time generalisation (..., times)."""
        return mean_generalisation(self.rdms)

    @cached_property
    def mean(self) -> Tensor:
        """Mean over times and pairs (...)."""
        return self.rdms.double().mean((-2, -1))

    @cached_property
    def square(self) -> Tensor:
        """The RDMs less their mean, unfolded with zero diagonal, (..., times, images, images)."""
        return rdm.to_square(self.rdms - self.mean.to(self.rdms.dtype)[..., None, None])

    @cached_property
    def rows(self) -> Tensor:
        """Row sums of `square` (..., times, images)."""
        return self.square.sum(-1, dtype=torch.float64)

    @cached_property
    def squares(self) -> Tensor:
        """Sum of squares of `square` over pairs (..., times)."""
        return torch.stack([(one * one).sum(-1).double().sum(-1) / 2 for one in self.square.unbind(-3)], dim=-1)


def mean_generalisation(rdms: Tensor) -> Tensor:
    """Mean over t' of the correlation of the RDM at t with that at t': (..., times, pairs) to (..., times)."""
    unit = rdm.standardise(rdms)
    return (unit @ unit.mean(dim=-2)[..., None])[..., 0]


def loss_parts(embedding: Tensor, target: Target) -> Tensor:
    """Pattern, magnitude and generalisation loss (CLIP-HBA, arXiv 2502.04658, Methods).

    Parameters
    ----------
    embedding
        (..., times, images, dimensions); it predicts RDMs of 1 - Pearson over dimensions.
    target
        Measured RDMs of the same images.

    Returns
    -------
    Tensor
        (..., 3): 1 - Pearson over all times and pairs together; mean squared error; 1 - Pearson of the mean time
        generalisations.
    """
    images, dimensions = embedding.shape[-2:]
    few = images <= FEW_IMAGES * dimensions
    pattern, magnitude, curve = (_from_rdms if few else _from_sums)(embedding, target)
    least = curve.shape[-1] * (ROUNDING * torch.finfo(embedding.dtype).eps) ** 2
    generalisation = 1 - rdm.pearson(curve, target.generalisation.to(curve), least)
    return torch.stack([pattern, magnitude, generalisation], dim=-1).to(embedding.dtype)


def _from_rdms(embedding: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor]:
    """Pattern and magnitude loss, and the predicted mean time generalisation (..., times)."""
    predicted = rdm.correlation_distance(embedding)
    pattern = 1 - rdm.pearson(predicted.flatten(-2), target.rdms.flatten(-2))
    magnitude = torch.mean((predicted - target.rdms) ** 2, dim=(-2, -1))
    return pattern, magnitude, mean_generalisation(predicted)


def _from_sums(embedding: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor]:
    """Give the same without making the predicted RDMs: see `pair_sums` for c = common + c'."""
    found = Similarities.of(embedding)
    products = found.with_pairs(target.square, target.rows)
    values = target.rows.sum(-1) / 2
    # the part of c that all pairs of a time share, about its mean over times
    level = found.common.mean(-1, keepdim=True)
    shift = found.common - level
    everything = found.pairs * shift.shape[-1]
    total = (found.total + found.pairs * shift).sum(-1)
    squares = (found.squares + 2 * shift * found.total + found.pairs * shift**2).sum(-1)
    shared = (products + shift * values).sum(-1)
    variation = (squares - total * total / everything).clamp(min=0) + rdm.TINY
    pattern = 1 + shared / (variation * (target.squares.sum(-1) + rdm.TINY)).sqrt()
    # 1 - c - Y is this less the deviations of c and Y
    rest = 1 - level[..., 0] - target.mean
    magnitude = rest**2 + (squares + target.squares.sum(-1) + 2 * shared - 2 * rest * total) / everything
    return pattern, magnitude, found.generalisation()


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
