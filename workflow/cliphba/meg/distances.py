"""Cross-validated distances between patterns: how far apart pairs of stimuli are, free of the bias of noise.

A distance of noisy patterns is too large, because noise pushes any two apart. The product of a difference seen in
training trials with the same difference seen in test trials is not: the noise of the two is independent. It is
zero on average where two stimuli evoke the same pattern, and so may well be negative.

Both measures here are sums over folds of A_ii + A_jj - A_ij - A_ji, where A_ij compares the training mean of stimulus
i with the test mean of stimulus j. With the folds side by side, that is one matrix product for all pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cliphba.meg.design import Design
from cliphba.meg.measure import Measure, Sums, check_patterns
from cliphba.rdm import to_triangle

Floats = NDArray[np.float64]


class _Means(NamedTuple):
    """Mean patterns (stimuli, folds, channels), zero where a fold tests no trial of the stimulus.

    `present` (stimuli, folds) is 1 where it does. Then other folds hold training trials too: a design sees to that.
    """

    training: Floats
    test: Floats
    present: Floats


def prepare_euclidean(design: Design) -> Measure:
    """Cross-validated squared Euclidean distance (Walther et al. 2016), divided by the number of channels.

    Of patterns whitened by `cliphba.meg.whitening` it is the crossnobis distance, in squared standard deviations of
    the noise a channel; of others it is in the square of their unit. Its expectation is the distance without noise.

    A stimulus' mean weighs all its trials in the training folds, or in the test fold, alike, however they are spread;
    the average over folds weighs all usable folds alike. With unequal numbers of trials it thus keeps its
    expectation, but is not the most precise. This is `calc_rdm(method="crossnobis", noise=precision)` of rsatoolbox
    0.3.2. Given a list of precisions that function compares the folds two by two instead, each pair of folds
    whitened by the mean of their two covariances: the same where these are equal and each fold holds equally many
    trials of the stimulus.

    Parameters
    ----------
    design
        Which trials show what, and in which fold they test.

    Returns
    -------
    Measure
        Gives sums of the distance, usually in the square of the patterns' unit. It raises ValueError if patterns do
        not fit the design or are not finite.
    """
    members = _membership(design)

    def measure(patterns: NDArray[np.floating], folds: NDArray[np.int64]) -> Sums:
        check_patterns(patterns, design)
        # The mean of all trials cancels in every difference: without it the products lose no digits.
        centred = patterns.astype(np.float64) - patterns.mean(axis=0, dtype=np.float64)
        return _sum_over_folds(_average(centred, folds, design, members), scale=1 / patterns.shape[1])

    return measure


def prepare_correlation(design: Design) -> Measure:
    """How much more a stimulus' training pattern correlates with its own test pattern than with another's.

    The mean of the two correlations within stimuli minus the mean of the two between them (Haxby et al. 2001), taken
    over channels: from -2 to 2, and 0 on average where the two stimuli evoke the same pattern. As in a split-half
    correlation with CoSMoMVPA, but without Fisher's transform, which grows without bound for patterns alike; the mean
    over stimuli is not removed. Noise lowers the value and does not bias its sign.

    Parameters
    ----------
    design
        Which trials show what, and in which fold they test.

    Returns
    -------
    Measure
        Gives sums of the difference of correlations. It raises ValueError if patterns do not fit the design or are
        not finite, or if a mean pattern does not vary over channels.
    """
    members = _membership(design)

    def measure(patterns: NDArray[np.floating], folds: NDArray[np.int64]) -> Sums:
        check_patterns(patterns, design)
        training, test, present = _average(patterns.astype(np.float64), folds, design, members)
        unit = _Means(_standardise(training, present), _standardise(test, present), present)
        return _sum_over_folds(unit, scale=1 / 2)

    return measure


def _membership(design: Design) -> csr_array:
    """Which trials are of which stimulus and fold: (stimuli x folds, trials), ones and zeros."""
    trials = len(design.stimulus)
    cell = design.stimulus * design.folds + design.fold
    return csr_array((np.ones(trials), (cell, np.arange(trials))), shape=(design.stimuli * design.folds, trials))


def _average(patterns: Floats, folds: NDArray[np.int64], design: Design, members: csr_array) -> _Means:
    """Average the training and the test trials of every stimulus in the folds asked for."""
    sums = (members @ patterns).reshape(design.stimuli, design.folds, -1)
    count = design.counts[:, folds, None]
    others = design.counts.sum(axis=1)[:, None, None] - count
    test = sums[:, folds]
    training = (sums.sum(axis=1, keepdims=True) - test) * (count > 0) / others
    return _Means(training, test / np.maximum(count, 1), (count[..., 0] > 0).astype(np.float64))


def _standardise(means: Floats, present: Floats) -> Floats:
    """Centre patterns over channels and scale them to unit length; absent ones stay zero."""
    if (np.ptp(means, axis=-1)[present > 0] == 0).any():
        raise ValueError(
            "the mean pattern of a stimulus is the same at all channels, so that it correlates with nothing: give "
            "more channels, or leave out stimuli and times without any signal"
        )
    centred = means - means.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    unit: Floats = centred / np.where(present[..., None] > 0, length, 1)
    return unit


def _sum_over_folds(means: _Means, *, scale: float) -> Sums:
    """Sum A_ii + A_jj - A_ij - A_ji over the folds that hold both i and j, A being inner products times `scale`."""
    stimuli = len(means.present)
    same = np.einsum("sfc,sfc->sf", means.training, means.test)
    # absent patterns are zero, and so are all their products with others
    half = same @ means.present.T
    half -= means.training.reshape(stimuli, -1) @ means.test.reshape(stimuli, -1).T
    return Sums(scale * to_triangle(half + half.T), to_triangle(means.present @ means.present.T))
