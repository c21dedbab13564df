"""What losses need of predicted RDMs, without making them.

With u_a the embedding of image a, centred over dimensions and scaled to unit length, the predicted dissimilarity of
two images is 1 - c_ab, c_ab = <u_a, u_b>. Sums over all pairs follow from products of the matrix of the u. Images may
be nearly alike, so that all c are close to one and differ in the fourth digit; what is common to them is therefore
taken out first: with m the mean of the u and v_a = u_a - m,

    c_ab = |m|^2 + c'_ab,   c'_ab = <v_a, v_b> + s_a + s_b,   s_a = <v_a, m>

and sums of c' have nothing to cancel, for the v sum to zero. Beside the measured RDMs memory grows with images x
dimensions instead of pairs, which matters from some hundred images on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cliphba import rdm


@dataclass(frozen=True)
class Similarities:
    """The similarities c that an embedding predicts, as sums over pairs, each (..., times), in double precision.

    Attributes
    ----------
    centred, side
        v (..., times, images, dimensions) and s (..., times, images).
    pairs
        Number of pairs.
    common
        |m|^2, the part of c that all pairs share.
    total, squares
        Sums of c' and of its square.
    """

    centred: Tensor
    side: Tensor
    pairs: int
    common: Tensor
    total: Tensor
    squares: Tensor

    @classmethod
    def of(cls, embedding: Tensor) -> Similarities:
        """Measure an embedding (..., times, images, dimensions)."""
        unit = rdm.standardise(embedding)
        mean = unit.mean(-2, keepdim=True)
        centred = unit - mean
        side = (centred @ mean.mT)[..., 0]
        images = embedding.shape[-2]
        own, sides = (centred * centred).sum(-1).double(), side.double()
        total = (images - 1) * sides.sum(-1) - own.sum(-1) / 2
        products = _sum_of_squares(centred.mT @ centred) / 2 - (own * own).sum(-1) / 2
        added = (images - 2) * (sides * sides).sum(-1) + sides.sum(-1) ** 2
        squares = products + added - 2 * (sides * own).sum(-1)
        common = (mean.double() ** 2).sum((-2, -1))
        return cls(centred, side, images * (images - 1) // 2, common, total, squares)

    def with_pairs(self, square: Tensor, rows: Tensor) -> Tensor:
        """Sum over pairs of c' S, for symmetric S of zero diagonal (..., times, images, images) and its row sums."""
        products: Tensor = PairSum.apply(square, self.centred)
        return products + (self.side.double() * rows).sum(-1)

    def generalisation(self) -> Tensor:
        """Mean over t' of the correlation of the similarities at t with those at t', (..., times)."""
        mean = self.total / self.pairs
        variation = self.squares - self.total * mean
        norm = (variation + rdm.TINY).clamp(min=rdm.TINY).sqrt()
        weight = 1 / (norm.shape[-1] * norm)
        mixed = self._mix(weight) - (weight * mean).sum(-1)[..., None, None].to(self.side.dtype)
        mixed = mixed - torch.diag_embed(mixed.diagonal(dim1=-2, dim2=-1))
        # one matrix for all times, not copied for each of them
        flat = self.centred.transpose(-3, -2).flatten(-2)
        found = (flat * (mixed @ flat)).unflatten(-1, self.centred.shape[-3::2]).sum((-3, -1)).double() / 2
        sides = (self.side.double() * mixed.sum(-1).double()[..., None, :]).sum(-1)
        generalisation: Tensor = (found + sides) / norm
        return generalisation

    def _mix(self, weight: Tensor) -> Tensor:
        """Weighted sum of c' over times (..., images, images)."""
        weight = weight.to(self.side.dtype)[..., None]
        rows, columns = (
            values.transpose(-3, -2).flatten(-2) for values in (weight[..., None] * self.centred, self.centred)
        )
        sides = (weight * self.side).sum(-2)
        return rows @ columns.mT + sides[..., :, None] + sides[..., None, :]


class PairSum(torch.autograd.Function):
    """Sum over pairs of <v_a, v_b> S_ab, S given, symmetric, of zero diagonal; its gradient S v is there anyway."""

    @staticmethod
    def forward(context: Any, square: Tensor, centred: Tensor) -> Tensor:
        """(..., times, images, images) and (..., times, images, dimensions) to (..., times)."""
        product = square @ centred
        context.save_for_backward(product)
        return (centred * product).sum(-1).sum(-1, dtype=torch.float64) / 2

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[None, Tensor]:
        """Of the embedding."""
        (product,) = context.saved_tensors
        return None, gradient.to(product.dtype)[..., None, None] * product


def _sum_of_squares(matrices: Tensor) -> Tensor:
    """(..., rows, columns) to (...), in double precision."""
    return (matrices * matrices).sum(-1).sum(-1, dtype=torch.float64)
