"""What losses need of predicted RDMs, without making them.

With u_a the embedding of image a, centred over dimensions and scaled to unit length, the predicted dissimilarity of
two images is 1 - c_ab, c_ab = <u_a, u_b>. Sums over all pairs follow from products of the matrix U of the u: of c
from the sum of its rows, of c^2 from U'U (its Frobenius norm), of c Y from U and YU. Memory grows with images x
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
    """Sums over pairs of the similarities c that an embedding predicts, each (..., times), in double precision.

    Attributes
    ----------
    unit
        (..., times, images, dimensions) centred rows of unit length; zero where an image has no variance.
    pairs
        Number of pairs.
    total, squares
        Sums of c and of its square.
    """

    unit: Tensor
    pairs: int
    total: Tensor
    squares: Tensor

    @classmethod
    def of(cls, embedding: Tensor) -> Similarities:
        """Measure an embedding (..., times, images, dimensions)."""
        unit = rdm.standardise(embedding)
        own = (unit * unit).sum(-1)
        total = (squared(unit.sum(-2), 1) - own.sum(-1).double()) / 2
        squares = (squared(unit.mT @ unit, 2) - squared(own, 1)) / 2
        images = embedding.shape[-2]
        return cls(unit, images * (images - 1) // 2, total, squares)

    def with_pairs(self, square: Tensor) -> Tensor:
        """Sum over pairs of c times the values of square matrices whose diagonal is zero, (..., times)."""
        found: Tensor = PairSum.apply(square, self.unit)
        return found

    def generalisation(self) -> Tensor:
        """Mean over t' of the correlation of the similarities at t with those at t', (..., times)."""
        mean = self.total / self.pairs
        norm = (self.squares - self.total * mean + rdm.TINY).clamp(min=rdm.TINY).sqrt()
        weight = 1 / (norm.shape[-1] * norm)
        # the mean over times of the standardised similarities, but for a constant: one matrix of images x images
        mixed = _over_times(weight.to(self.unit.dtype)[..., None, None] * self.unit, self.unit)
        mixed = mixed - torch.diag_embed(mixed.diagonal(dim1=-2, dim2=-1))
        offset = (weight * mean).sum(-1, keepdim=True)
        return (self.with_pairs(mixed[..., None, :, :]) - offset * self.total) / norm


class PairSum(torch.autograd.Function):
    """Sum over pairs of <u_a, u_b> S_ab for symmetric S with zero diagonal; the gradient needs SU, which is there."""

    @staticmethod
    def forward(context: Any, square: Tensor, unit: Tensor) -> Tensor:
        """(..., images, images) and (..., times, images, dimensions) to (..., times)."""
        product = square @ unit
        context.save_for_backward(product, unit)
        return (unit * product).sum(-1).sum(-1, dtype=torch.float64) / 2

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        """Of S, where it is one for all times, and of the embedding."""
        product, unit = context.saved_tensors
        scale = gradient.to(unit.dtype)[..., None, None]
        if not context.needs_input_grad[0]:
            return None, scale * product
        return _over_times(scale * unit, unit)[..., None, :, :] / 2, scale * product


def _over_times(first: Tensor, second: Tensor) -> Tensor:
    """Inner products over times and dimensions: (..., times, images, dimensions) to (..., images, images)."""
    rows, columns = (values.transpose(-3, -2).flatten(-2) for values in (first, second))
    return rows @ columns.mT


def squared(values: Tensor, axes: int) -> Tensor:
    """Sum of squares over the last axes."""
    found = (values * values).sum(-1)
    return found.sum(tuple(range(-axes + 1, 0)), dtype=torch.float64) if axes > 1 else found.double()
