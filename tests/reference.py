"""Formulas as they are written, for tests to compare with."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def losses_of_rdms(predicted: Array, target: Array) -> Array:
    """Pattern, magnitude and generalisation loss of RDMs (times, pairs)."""
    curves = [np.corrcoef(rdms).mean(axis=1) for rdms in (predicted, target)]
    return np.array(
        [
            1 - np.corrcoef(predicted.ravel(), target.ravel())[0, 1],
            ((predicted - target) ** 2).mean(),
            1 - np.corrcoef(curves)[0, 1],
        ]
    )
