"""What every dissimilarity measure of patterns gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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
