"""Multivariate noise normalisation: channels are rescaled and decorrelated by the covariance of their noise.

Guggenmos, Sterzer & Cichy (2018, NeuroImage) found that it makes pairwise decoding and distances of MEG patterns
more reliable. The noise is what trials of the same stimulus differ by. It is estimated anew for every fold from its
training trials alone, so that the test trials stay independent of it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cliphba.meg.design import Design

Floats = NDArray[np.float64]
#: Weight of the identity in a covariance, from 0 to 1, or the name of the rule that finds it.
Shrinkage = float | Literal["ledoit_wolf"]


def noise_covariance(
    patterns: NDArray[np.floating], design: Design, fold: int, *, shrinkage: Shrinkage = "ledoit_wolf"
) -> Floats:
    """Covariance of a fold's training trials about the mean training trial of their stimulus.

    It is shrunk towards a multiple of the identity, which suits channels of one kind or of one scale. With several
    times, the covariance is estimated and shrunk at each of them and then averaged. The degrees of freedom that the
    means take away are counted, both in the covariance and in the rule of Ledoit & Wolf (2004), so that two trials a
    stimulus suffice; a stimulus with a single training trial adds nothing.

    Parameters
    ----------
    patterns
        (trials, channels) or (trials, channels, times), in any unit.
    design
        Which trials show what, and in which fold they test.
    fold
        The fold whose test trials are left out.
    shrinkage
        Weight of the identity, or "ledoit_wolf".

    Returns
    -------
    (channels, channels) covariance, in the square of the patterns' unit.

    Raises
    ------
    ValueError
        If the patterns do not fit the design or are not finite, if there is no such fold, if the weight is not from 0
        to 1, or if the training trials leave fewer than two degrees of freedom.
    """
    _check(patterns, design, fold, shrinkage)
    training = np.flatnonzero(design.fold != fold)
    repetitions = np.bincount(design.stimulus[training])[design.stimulus[training]]
    training, freedom = training[repetitions > 1], 1 - 1 / repetitions[repetitions > 1]
    if round(freedom.sum()) < 2:
        raise ValueError(
            f"fold {fold}: its training trials hold fewer than two repetitions of a stimulus, too few to estimate "
            "noise from: give more trials a stimulus, average fewer of them, or do without noise normalisation"
        )
    courses = patterns if patterns.ndim == 3 else patterns[..., None]
    covariance = np.zeros((patterns.shape[1], patterns.shape[1]))
    for time in range(courses.shape[2]):
        residuals = _residuals(courses[training, :, time], design.stimulus[training])
        covariance += _shrunk_covariance(residuals, freedom, shrinkage) / courses.shape[2]
    if not np.isfinite(covariance).all():
        raise ValueError("patterns contain values that are not finite: drop those trials or channels first")
    return covariance


def whitening_matrix(covariance: NDArray[np.floating]) -> Floats:
    """Symmetric inverse square root of a covariance: patterns @ matrix have noise of unit covariance.

    Of all matrices that whiten, this one changes the channels least (ZCA), so that they keep their meaning.

    Parameters
    ----------
    covariance
        (channels, channels), symmetric.

    Returns
    -------
    (channels, channels) matrix, in the inverse of the patterns' unit.

    Raises
    ------
    ValueError
        If the covariance cannot be inverted.
    """
    variance, axes = np.linalg.eigh(covariance.astype(np.float64))
    if variance[0] <= len(variance) * np.finfo(np.float64).eps * variance[-1]:
        raise ValueError(
            "the noise covariance cannot be inverted: raise its shrinkage, or drop channels that are flat or that "
            "others determine"
        )
    matrix: Floats = (axes / np.sqrt(variance)) @ axes.T
    return matrix


def _check(patterns: NDArray[np.floating], design: Design, fold: int, shrinkage: Shrinkage) -> None:
    """Refuse input that no covariance can be made of."""
    if patterns.ndim not in {2, 3} or len(patterns) != len(design.stimulus):
        raise ValueError(
            "patterns must be (trials, channels) or (trials, channels, times), with the "
            f"{len(design.stimulus)} trials of the design: their shape is {patterns.shape}"
        )
    if not 0 <= fold < design.folds:
        raise ValueError(f"there is no fold {fold}: the design has folds 0 to {design.folds - 1}")
    if shrinkage != "ledoit_wolf" and not (isinstance(shrinkage, int | float) and 0 <= shrinkage <= 1):
        raise ValueError(f'shrinkage must lie from 0 to 1 or be "ledoit_wolf"; it is {shrinkage!r}')


def _residuals(patterns: NDArray[np.floating], stimulus: NDArray[np.int64]) -> Floats:
    """Subtract from every trial the mean of its stimulus."""
    members = csr_array((np.ones(len(stimulus)), (stimulus, np.arange(len(stimulus)))))
    means = members @ patterns / np.maximum(members.sum(axis=1), 1)[:, None]
    residuals: Floats = patterns - means[stimulus]
    return residuals


def _shrunk_covariance(residuals: Floats, freedom: Floats, shrinkage: Shrinkage) -> Floats:
    """Covariance of residuals, shrunk towards a multiple of the identity.

    `freedom` (trials,) is the part of each trial's variance that is left when the mean of its stimulus is subtracted:
    1 - 1 / repetitions.
    """
    covariance = residuals.T @ residuals / freedom.sum()
    weight = _ledoit_wolf(residuals, covariance, freedom) if shrinkage == "ledoit_wolf" else shrinkage
    shrunk: Floats = (1 - weight) * covariance
    shrunk[np.diag_indices_from(shrunk)] += weight * np.trace(covariance) / len(covariance)
    return shrunk


def _ledoit_wolf(residuals: Floats, covariance: Floats, freedom: Floats) -> float:
    """Weight of the identity by Ledoit & Wolf (2004): squared error of the covariance over its distance to that.

    scikit-learn takes every row for an independent sample of the full variance. A residual has only a part of the
    variance of its trial, and counts as that part of a sample: without means, the two rules are the same.
    """
    squares = np.einsum("tc,tc->t", residuals, residuals)
    size = float(np.square(covariance).sum())
    error = (float((squares**2 / freedom).sum() / freedom.sum()) - size) / float(freedom.sum())
    distance = size - float(np.trace(covariance)) ** 2 / len(covariance)
    return min(error / distance, 1.0) if distance > 0 else 0.0
