"""The arithmetic of representational dissimilarity matrices (RDMs).

An RDM of n stimuli is kept as its strict upper triangle, row by row: n (n - 1) / 2 values along the last axis. All
leading axes (time, model, participant, resample) are vectorised over. Functions marked "NumPy and torch" take
either kind of array and give back the same kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", NDArray[np.float64], NDArray[np.float32], "torch.Tensor")
Floats = NDArray[np.floating]

#: Coefficients that RDMs are compared by: of ranks, of values, and of values that are not centred.
Comparison = Literal["spearman", "pearson", "cosine"]

# Rows from which on sorting by digits is faster than what SciPy does.
LONG = 1000
# An embedding without any variance over its dimensions has no correlation with anything; the constant turns 0 / 0
# into a correlation of 0 (dissimilarity 1) and is far below the variance of any embedding in use.
TINY = 1e-20


def pair_indices(stimuli: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the strict upper triangle of a ``stimuli`` x ``stimuli`` matrix, in storage order."""
    return np.triu_indices(stimuli, k=1)


def pair_count(stimuli: int) -> int:
    """Give the number of pairs of so many stimuli."""
    return stimuli * (stimuli - 1) // 2


def stimulus_count(pairs: int) -> int:
    """Give the number of stimuli whose RDM has so many pairs.

    Raises
    ------
    ValueError
        If no number of stimuli has that many pairs.
    """
    stimuli = round((1 + np.sqrt(1 + 8 * pairs)) / 2)
    if pair_count(stimuli) != pairs:
        raise ValueError(f"{pairs} values are not the upper triangle of any RDM: n (n - 1) / 2 is needed")
    return int(stimuli)


def to_square(triangle: Array) -> Array:
    """Unfold RDMs (..., pairs) into symmetric matrices (..., n, n) with a zero diagonal. NumPy and torch."""
    stimuli = stimulus_count(triangle.shape[-1])
    rows, columns = pair_indices(stimuli)
    shape = (*triangle.shape[:-1], stimuli, stimuli)
    # an ndarray has no new_zeros, a tensor no other way to stay on its device
    square: Array = (
        np.zeros(shape, dtype=triangle.dtype) if isinstance(triangle, np.ndarray) else triangle.new_zeros(shape)
    )
    square[..., rows, columns] = triangle
    square[..., columns, rows] = triangle
    return square


def places(chosen: NDArray[np.intp], *, stimuli: int) -> NDArray[np.intp]:
    """Where the pairs of different stimuli chosen, in the order chosen, stand in an RDM of so many stimuli."""
    first, second = (chosen[side] for side in pair_indices(len(chosen)))
    row, column = np.minimum(first, second), np.maximum(first, second)
    # rows above hold stimuli - 1, stimuli - 2, ... pairs
    return np.asarray(row * (2 * stimuli - row - 1) // 2 + column - row - 1)


def select(triangle: Array, chosen: NDArray[np.intp]) -> Array:
    """Restrict RDMs (..., pairs) to different stimuli, in the order chosen. NumPy and torch."""
    return triangle[..., places(chosen, stimuli=stimulus_count(triangle.shape[-1]))]


def to_triangle(square: Array) -> Array:
    """Strict upper triangle (..., pairs) of square matrices (..., n, n). NumPy and torch."""
    rows, columns = pair_indices(square.shape[-1])
    return square[..., rows, columns]


def standardise(values: Array, least: float = TINY) -> Array:
    """Centre and scale to unit length along the last axis; a constant row becomes zero. NumPy and torch.

    Rows whose sum of squares about the mean is far below `least` count as constant.
    """
    centred = values - values.mean(-1)[..., None]
    unit: Array = centred / ((centred * centred).sum(-1)[..., None] + least) ** 0.5
    return unit


def pearson(first: Array, second: Array, least: float = TINY) -> Array:
    """Pearson correlation along the last axis, leading axes broadcast; see `standardise`. NumPy and torch."""
    correlation: Array = (standardise(first, least) * standardise(second, least)).sum(-1)
    return correlation


def correlation_matrix(rows: Array) -> Array:
    """Pearson correlation of every row with every row: (..., m, k) to (..., m, m). NumPy and torch.

    Of an RDM time course (time, pairs) this is its time generalisation: how far the geometry at one time is that
    of another.
    """
    unit = standardise(rows)
    return unit @ unit.swapaxes(-1, -2)


def correlation_distance(embedding: Array) -> Array:
    """RDM of 1 - Pearson over dimensions: (..., stimuli, dimensions) to (..., pairs). NumPy and torch.

    A stimulus without variance over dimensions has dissimilarity 1 to every other.
    """
    return 1 - to_triangle(correlation_matrix(embedding))


def unit(values: Floats, comparison: Comparison) -> NDArray[np.float64]:
    """Vectors of unit length along the last axis whose product sums are the coefficient asked for.

    Making them is most of the work of a comparison, so that they are made once and used for all of them.

    Parameters
    ----------
    values
        (..., pairs)
    comparison
        "spearman": average ranks, centred; "pearson": values, centred; "cosine": values as they are.

    Returns
    -------
    array
        (..., pairs). Rows that are constant (cosine: zero) become zero, rows with undefined values undefined.

    Raises
    ------
    ValueError
        If there is no such comparison.
    """
    match comparison:
        case "spearman":
            return ranks(values)
        case "pearson":
            return standardise(_of_size_one(values))
        case "cosine":
            scaled = _of_size_one(values)
            return np.asarray(scaled / (np.square(scaled).sum(-1, keepdims=True) + TINY) ** 0.5)
    raise ValueError(f"comparison: there is no {comparison!r}; use 'spearman', 'pearson' or 'cosine'")


def compare(first: Floats, second: Floats, comparison: Comparison) -> NDArray[np.float64]:
    """Coefficient of RDMs along the last axis, leading axes broadcast; see `unit`."""
    coefficient: NDArray[np.float64] = (unit(first, comparison) * unit(second, comparison)).sum(-1)
    return coefficient


def _of_size_one(values: Floats) -> NDArray[np.float64]:
    """Divide by the largest absolute value: squared distances in tesla are too small to be told from a constant."""
    size = np.abs(values).max(-1, keepdims=True).astype(np.float64)
    return np.asarray(values / np.where(size == 0, 1.0, size))


def average_ranks(values: Floats) -> NDArray[np.float64]:
    """Ranks from 1 along the last axis; tied values get their mean rank. Rows with undefined values are undefined."""
    # here, because most jobs rank nothing, and these take longer to import than all else they need
    if values.shape[-1] >= LONG:
        from cliphba import ranking  # noqa: PLC0415

        return np.asarray(np.apply_along_axis(ranking.average_ranks, -1, values))
    from scipy.stats import rankdata  # noqa: PLC0415

    return np.asarray(rankdata(values, axis=-1))


def ranks(values: Floats) -> NDArray[np.float64]:
    """Average ranks along the last axis, standardised so that a product sum of two is their Spearman rho."""
    return standardise(average_ranks(values))


def spearman(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Spearman correlation along the last axis, leading axes broadcast."""
    return compare(first, second, "spearman")
