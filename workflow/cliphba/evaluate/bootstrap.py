"""Bootstrap of rank correlations between RDMs over stimuli and participants.

Resampling stimuli with replacement and leaving out the pairs of a stimulus with itself (Nili et al. 2014,
doi:10.1371/journal.pcbi.1003553) gives each pair a whole-number weight: the product of how often its two stimuli were
drawn. The order of an RDM's values never changes, so its exact average ranks in every resample follow from one sort
and a running sum of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cliphba.progress import track
from cliphba.rdm import TINY, Floats, pair_indices

Reals = NDArray[np.float64]

# Numbers held at once in a block of resamples: larger blocks fall out of the processor's cache.
BLOCK = 200_000


@dataclass(frozen=True)
class Estimate:
    """A quantity as measured, and as it comes out in every bootstrap resample.

    Attributes
    ----------
    value
        (...) as measured.
    resampled
        (resamples, ...) of each resample. Two estimates from the same resamples can be compared one by one.
    """

    value: Reals
    resampled: Reals

    def map(self, function: Callable[[Reals], Reals]) -> Estimate:
        """Apply a function that works on the trailing axes and leaves leading ones alone."""
        return Estimate(function(self.value), function(self.resampled))

    def __getitem__(self, index: int) -> Estimate:
        """One item along the first axis of the value, such as one participant."""
        return Estimate(self.value[index], self.resampled[:, index])

    def __sub__(self, other: Estimate) -> Estimate:
        """Paired difference."""
        return Estimate(self.value - other.value, self.resampled - other.resampled)

    def mean_over_participants(self, draws: Reals) -> Estimate:
        """Mean over the first axis of the value, its resamples varying stimuli and participants jointly.

        Noise of single pairs is in both factors, so that resampling both counts it more than once. The variance that
        counts it once is twice the sum of the two single bootstraps' variances, less that of the joint one
        (Schuett et al. 2023, doi:10.7554/eLife.82566), and lies between the larger single one and the
        joint one. Deviations of the joint resamples are scaled down to it. Differences between estimates are to be
        taken before this mean: their variance has a correction of its own.

        Parameters
        ----------
        draws
            (resamples, participants) how often each participant was drawn.
        """
        weights = draws / draws.sum(1, keepdims=True)
        jointly = np.einsum("rp,rp...->r...", weights, self.resampled)
        joint, stimuli = jointly.var(0), self.resampled.mean(1).var(0)
        people = np.tensordot(weights, self.value, axes=1).var(0)
        corrected = np.clip(2 * (stimuli + people) - joint, np.maximum(stimuli, people), joint)
        scale = np.sqrt(np.divide(corrected, joint, out=np.ones_like(joint), where=joint > 0))
        centre = jointly.mean(0)
        return Estimate(self.value.mean(0), centre + scale * (jointly - centre))

    def interval(self, level: float = 0.95) -> tuple[Reals, Reals]:
        """Lower and upper end of the percentile interval (Efron & Tibshirani 1993, chapter 13), shaped as `value`."""
        ends = [(1 - level) / 2, (1 + level) / 2]
        # only values that occurred: an accuracy of 0.97 among six participants would puzzle
        low, high = np.quantile(self.resampled, ends, axis=0, method="inverted_cdf")
        return low, high


def defined(values: Floats) -> NDArray[np.bool_]:
    """Tell where an RDM has values: (..., pairs) to (...)."""
    return np.asarray(np.isfinite(values).all(axis=-1))


def draw(items: int, resamples: int, *, seed: Sequence[int]) -> Reals:
    """Draw as many items as there are, with replacement: (resamples, items) how often each was drawn."""
    random = np.random.default_rng(seed)
    return random.multinomial(items, np.full(items, 1 / items), size=resamples).astype(np.float64)


def pair_weights(counts: Reals) -> Reals:
    """How often each pair of different stimuli occurs in a resample: (resamples, stimuli) to (resamples, pairs)."""
    rows, columns = pair_indices(counts.shape[-1])
    return counts[..., rows] * counts[..., columns]


def spearman(predictions: Sequence[Floats], targets: Floats, weights: Reals, *, label: str) -> Reals:
    """Spearman correlation of every prediction with every target, in every resample of the stimuli.

    Parameters
    ----------
    predictions
        Each (times, pairs), or (1, pairs) if it does not change over time; not-a-number where undefined.
    targets
        (participants, times, pairs).
    weights
        (resamples, pairs) from `pair_weights`.
    label
        What the progress bar says.

    Returns
    -------
    array
        (resamples, predictions, participants, times); not-a-number where the prediction is undefined.
    """
    times = targets.shape[1]
    rho = np.empty((len(weights), len(predictions), len(targets), times))
    for time in track(range(times), label, unit="time point"):
        predicted = np.stack([values[min(time, len(values) - 1)] for values in predictions])
        rho[..., time] = _spearman_at_one_time(predicted, targets[:, time], weights)
    return rho


def _spearman_at_one_time(predicted: Floats, measured: Floats, weights: Reals) -> Reals:
    """(predictions, pairs) and (participants, pairs) to (resamples, predictions, participants)."""
    known = defined(predicted)
    order = _sort(np.concatenate([np.where(known[:, None], predicted, 0), measured]))
    rho = np.empty((len(weights), len(predicted), len(measured)))
    step = max(1, BLOCK // order.pair.size)
    for start in range(0, len(weights), step):
        unit = _weighted_ranks(order, weights[start : start + step])
        rho[start : start + step] = unit[:, : len(predicted)] @ unit[:, len(predicted) :].swapaxes(1, 2)
    rho[:, ~known] = np.nan
    return rho


class _Order(NamedTuple):
    """Sorted RDMs, each (RDMs, pairs).

    Attributes
    ----------
    pair
        Which pair stands at a place in ascending order.
    before, through
        For each pair, how many places come before the first and through the last of the values tied with it.
    """

    pair: NDArray[np.intp]
    before: NDArray[np.intp]
    through: NDArray[np.intp]


def _sort(values: Floats) -> _Order:
    before = rankdata(values, method="min", axis=-1).astype(np.intp) - 1
    through = rankdata(values, method="max", axis=-1).astype(np.intp)
    return _Order(np.argsort(values, axis=-1, kind="stable"), before, through)


def _weighted_ranks(order: _Order, weights: Reals) -> Reals:
    """Average ranks under weights, centred and of unit length: (resamples, RDMs, pairs)."""
    ranks = np.empty((len(weights), *order.pair.shape))
    _rank(*order, weights, np.sqrt(weights), ranks)
    return ranks


@numba.njit(cache=True, error_model="numpy")
def _rank(
    pair: NDArray[np.intp],
    before: NDArray[np.intp],
    through: NDArray[np.intp],
    weights: Reals,
    root: Reals,
    out: Reals,
) -> None:
    """Loops, because array expressions would go through memory six times for every resample."""
    rdms, pairs = pair.shape
    reached = np.zeros(pairs + 1)
    for resample in range(len(weights)):
        for row in range(rdms):
            for place in range(pairs):
                reached[place + 1] = reached[place] + weights[resample, pair[row, place]]
            square = 0.0
            for index in range(pairs):
                # first + last rank of the tied values is twice the average rank plus one; their weighted mean is the
                # total weight
                twice = reached[before[row, index]] + reached[through[row, index]] - reached[pairs]
                out[resample, row, index] = twice * root[resample, index]
                square += out[resample, row, index] ** 2
            out[resample, row] /= np.sqrt(square + TINY)
