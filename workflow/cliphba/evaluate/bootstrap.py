"""Bootstrap of correlations between RDMs over stimuli and participants.

Resampling stimuli with replacement and leaving out the pairs of a stimulus with itself (Nili et al. 2014,
doi:10.1371/journal.pcbi.1003553) gives each pair a whole-number weight: the product of how often its two stimuli were
drawn. The order of an RDM's values never changes, so its exact average ranks in every resample follow from one sort
and a running sum of the weights. Weights of all pairs in all resamples are never made at once: for 1854 stimuli and
1000 resamples they would be 14 GB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cliphba.rdm import TINY, Comparison, Floats, pair_indices, unit

Reals = NDArray[np.float64]

# Correlations can be one, whose z would be infinite.
LARGEST = 0.99

# So many different stimuli have more than one dissimilarity.
LEAST_DIFFERENT = 3

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

    def levelled(self) -> Estimate:
        """Move resampled correlations, by Fisher's z, so that their mean is what was measured.

        For correlations of what resamples, with their fewer different stimuli, measure less well: these tell the
        spread of such a correlation, not its level.
        """
        scattered = _fisher(self.resampled)
        return Estimate(self.value, np.tanh(scattered - scattered.mean(0) + _fisher(self.value)))

    def mean_over_participants(self, draws: Reals) -> Estimate:
        """Mean over the first axis of the value, its resamples varying stimuli and participants jointly.

        Their spread is that of `count_noise_once`. Differences between estimates are to be taken before this mean:
        their variance has a correction of its own.

        Parameters
        ----------
        draws
            (resamples, participants) how often each participant was drawn.
        """
        weights = draws / draws.sum(1, keepdims=True)
        jointly = np.einsum("rp,rp...->r...", weights, self.resampled)
        people = np.tensordot(weights, self.value, axes=1)
        spread = count_noise_once(jointly, self.resampled.mean(1), people, participants=draws.shape[1], repeats=3)
        return Estimate(self.value.mean(0), spread)

    def columns(self) -> dict[str, Reals]:
        """Give the columns of a results table: the value and its 95 % interval, each shaped as `value`."""
        low, high = self.interval()
        return {"value": self.value, "low": low, "high": high}

    def interval(self, level: float = 0.95) -> tuple[Reals, Reals]:
        """Lower and upper end of the percentile interval (Efron & Tibshirani 1993, chapter 13), shaped as `value`.

        Not-a-number where nothing was resampled.
        """
        if not len(self.resampled):
            return np.full_like(self.value, np.nan), np.full_like(self.value, np.nan)
        ends = [(1 - level) / 2, (1 + level) / 2]
        # only values that occurred: an accuracy of 0.97 among six participants would puzzle
        low, high = np.quantile(self.resampled, ends, axis=0, method="inverted_cdf")
        return low, high


def stacked(estimates: Sequence[Estimate]) -> Estimate:
    """Join estimates of the same resamples along a new first axis of their values."""
    values = np.stack([one.value for one in estimates])
    return Estimate(values, np.stack([one.resampled for one in estimates], axis=1))


def _fisher(correlation: Reals) -> Reals:
    """Fisher's z; finite also for correlations of one."""
    return np.asarray(np.arctanh(np.clip(correlation, -LARGEST, LARGEST)))


def count_noise_once(jointly: Reals, stimuli: Reals, people: Reals, *, participants: int, repeats: int) -> Reals:
    """Scale the deviations of joint resamples so that intervals are neither too wide nor too narrow.

    Noise of single pairs is in stimuli and in participants, so that resampling both counts it more than once. The
    variance that counts it once is twice the sum of the two single bootstraps' variances, less that of the joint one
    (Schuett et al. 2023, doi:10.7554/eLife.82566). It is not less than that over participants, nor than that over
    stimuli had it counted all its noise too often, and not more than the joint one.

    Few participants vary less among themselves than people do, and the variance among them is itself uncertain.
    Theirs is therefore taken times n / (n - 1), and the whole has the quantiles of Student's t with the degrees
    of freedom that follow from its share (Satterthwaite 1946, doi:10.2307/3002019).

    Parameters
    ----------
    jointly, stimuli, people
        (resamples, ...) of the same quantity, varying both, stimuli alone, participants alone.
    participants
        How many there are.
    repeats
        How often resampling stimuli counts the noise of one measurement: 3 times that of a pair, 7 that of a triplet
        (the mean square of the product of as many counts is 4 or 8, less 1).

    Returns
    -------
    array
        As `jointly`.
    """
    both, images, persons = (one.var(0) for one in (jointly, stimuli, people))
    least = np.minimum(np.maximum(images / repeats, persons), both)
    freedom = max(participants - 1, 1)
    total = np.clip(2 * (images + persons) - both, least, both) + persons / freedom
    share = _relative(persons * (1 + 1 / freedom), total)
    scale = np.sqrt(_relative(total, both)) * _student(freedom / np.maximum(share, TINY) ** 2)
    centre = jointly.mean(0)
    return np.asarray(centre + scale * (jointly - centre))


def _relative(part: Reals, whole: Reals) -> Reals:
    """Give a share of a variance; 1 where there is none."""
    return np.asarray(np.divide(part, whole, out=np.ones_like(whole), where=whole > 0))


def _student(freedom: Reals) -> Reals:
    """How much wider a 95 % interval is than one of a normal distribution."""
    return np.asarray(stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))


def draw(items: int, resamples: int, *, seed: Sequence[int]) -> Reals:
    """Draw as many items as there are, with replacement: (resamples, items) how often each was drawn."""
    random = np.random.default_rng(seed)
    return random.multinomial(items, np.full(items, 1 / items), size=resamples).astype(np.float64)


def draw_stimuli(stimuli: int, resamples: int, *, seed: Sequence[int]) -> Reals:
    """Draw stimuli, as `draw` does, but never fewer than three different ones.

    Two have one dissimilarity, which correlates with nothing. Of six images one resample in fifty is like that, of
    twelve one in thirty million; rsatoolbox passes over such resamples, here they are drawn again.
    """
    least = min(LEAST_DIFFERENT, stimuli)
    drawn = draw(stimuli, resamples, seed=seed)
    attempt = 0
    while len(few := np.flatnonzero((drawn > 0).sum(1) < least)):
        attempt += 1
        drawn[few] = draw(stimuli, len(few), seed=(*seed, attempt))
    return drawn


@dataclass(frozen=True)
class Comparable:
    """An RDM at one time, with what comparing it needs: made when first asked for, and once.

    Attributes
    ----------
    values
        (pairs,); not-a-number where the RDM is undefined.
    comparison
        How it will be compared with others.
    """

    values: Floats
    comparison: Comparison

    @cached_property
    def unit(self) -> Reals:
        """(pairs,) of unit length, see `cliphba.rdm.unit`."""
        return unit(self.values, self.comparison)

    @cached_property
    def order(self) -> _Order:
        """The values sorted."""
        return _sort(self.values)

    def weigh(self, weights: Reals, root: Reals, units: Reals, place: int) -> None:
        """Write unit vectors whose product sums are weighted coefficients into units[:, place] (resamples, pairs).

        `root` are the square roots of the weights (resamples, pairs).
        """
        # an RDM with undefined values has no defined unit vector at any pair, and no order
        if self.comparison == "spearman" and np.isfinite(self.unit[0]):
            _rank(*self.order, weights, root, units, place)
            return
        # scale does not matter, nor does the mean where it is taken out: the unit vector does as well as the values
        centre = 0.0 if self.comparison == "cosine" else (weights @ self.unit / weights.sum(-1))[:, None]
        scaled = root * (self.unit - centre)
        units[:, place] = scaled / np.sqrt(np.square(scaled).sum(-1, keepdims=True) + TINY)


def compare(predicted: Sequence[Comparable], measured: Sequence[Comparable]) -> Reals:
    """Coefficient of every prediction with every participant's RDM, (predictions, participants)."""
    first, second = (np.stack([one.unit for one in side]) for side in (predicted, measured))
    coefficients: Reals = first @ second.T
    return coefficients


def resample(predicted: Sequence[Comparable], measured: Sequence[Comparable], counts: Reals) -> Reals:
    """Coefficient of every prediction with every participant's RDM, in every resample of the stimuli.

    Parameters
    ----------
    predicted, measured
        RDMs of the same stimuli; comparisons with undefined ones are not-a-number.
    counts
        (resamples, stimuli) from `draw`.

    Returns
    -------
    array
        (resamples, predictions, participants)
    """
    # an RDM that is on both sides, or is two models', is weighed once
    rdms = list({id(one): one for one in (*predicted, *measured)}.values())
    place = {id(one): index for index, one in enumerate(rdms)}
    first, second = ([place[id(one)] for one in side] for side in (predicted, measured))
    rows, columns = pair_indices(counts.shape[-1])
    found = np.empty((len(counts), len(predicted), len(measured)))
    step = max(1, BLOCK // (len(rdms) * len(rows)))
    for start in range(0, len(counts), step):
        drawn = counts[start : start + step]
        weights = drawn.take(rows, axis=1) * drawn.take(columns, axis=1)
        root = np.sqrt(weights)
        units = np.empty((len(drawn), len(rdms), len(rows)))
        for index, one in enumerate(rdms):
            one.weigh(weights, root, units, index)
        found[start : start + step] = units[:, first] @ units[:, second].swapaxes(1, 2)
    return found


class _Order(NamedTuple):
    """A sorted RDM, each (pairs,).

    Attributes
    ----------
    pair
        Which pair stands at a place in ascending order.
    before, through
        For each pair, how many places come before the first and through the last of the values tied with it.
    """

    pair: NDArray[np.uint32]
    before: NDArray[np.uint32]
    through: NDArray[np.uint32]


def _sort(values: Floats) -> _Order:
    # unsigned, so that compiled loops need not ask whether an index counts from the end
    pair = np.argsort(values).astype(np.uint32)
    ascending = values[pair]
    starts = np.concatenate([[0], np.flatnonzero(ascending[1:] != ascending[:-1]) + 1]).astype(np.uint32)
    ends = np.append(starts[1:], np.uint32(len(values)))
    before, through = np.empty_like(pair), np.empty_like(pair)
    before[pair], through[pair] = np.repeat(starts, ends - starts), np.repeat(ends, ends - starts)
    return _Order(pair, before, through)


@numba.njit(cache=True, error_model="numpy")
def _rank(
    pair: NDArray[np.uint32],
    before: NDArray[np.uint32],
    through: NDArray[np.uint32],
    weights: Reals,
    root: Reals,
    units: Reals,
    place: int,
) -> None:
    """Average ranks under weights, centred and of unit length, into units[:, place].

    Loops, because array expressions would go through memory six times for every resample.
    """
    pairs = len(pair)
    reached = np.zeros(pairs + 1)
    for resample in range(len(weights)):
        weight, unit = weights[resample], units[resample, place]
        total = 0.0
        for index in range(pairs):
            total += weight[pair[index]]
            reached[index + 1] = total
        square = 0.0
        for index in range(pairs):
            # first + last rank of the tied values is twice the average rank plus one; their weighted mean is the
            # total weight
            twice = reached[before[index]] + reached[through[index]] - total
            unit[index] = twice * root[resample, index]
            square += unit[index] * unit[index]
        unit /= np.sqrt(square + TINY)
