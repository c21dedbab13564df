"""What every dissimilarity measure of patterns takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cliphba.meg.design import Design


class Sums(NamedTuple):
    """Dissimilarity of every pair of stimuli, summed over folds of a cross-validation.

    Attributes
    ----------
    total
        (pairs,) sum over the folds that are usable for the pair: those that hold out trials of both stimuli and
        train on trials of both.
    folds
        (pairs,) how many folds that were.
    """

    total: NDArray[np.float64]
    folds: NDArray[np.float64]


#: Takes patterns (trials, channels) at one time point and the folds that are asked for.
Measure = Callable[[NDArray[np.floating], NDArray[np.int64]], Sums]


def check_patterns(patterns: NDArray[np.floating], design: Design) -> None:
    """Refuse patterns that do not fit the design.

    Raises
    ------
    ValueError
        If they are not (trials, channels) of the design's trials, or not finite.
    """
    if patterns.ndim != 2 or len(patterns) != len(design.stimulus):
        raise ValueError(
            f"patterns must be (trials, channels) of one time point, with the {len(design.stimulus)} trials of the "
            f"design: their shape is {patterns.shape}"
        )
    if not np.isfinite(patterns).all():
        raise ValueError("patterns contain values that are not finite: drop those trials or channels first")
