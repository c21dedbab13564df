"""How far RDM time courses can be trusted: split halves of the sessions, noise ceilings, time generalisation.

RDM time courses are (times, pairs) and may be memory-mapped: they are read one time point at a time. Correlations are
not-a-number where an RDM has an undefined value, and 0 where it is constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import comb
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cliphba import rdm

Method = Literal["spearman", "pearson"]
Reals = NDArray[np.float64]
Integers = NDArray[np.int64]

# Time points of the second half that are compared at once: enough to use the processor well, few to hold in memory.
BLOCK = 16


class SplitHalf(NamedTuple):
    """Agreement of the RDMs of two halves of the data.

    Attributes
    ----------
    correlation
        (times,) between the halves.
    corrected
        (times,) what Spearman and Brown expect of all data.
    """

    correlation: Reals
    corrected: Reals


class Split(NamedTuple):
    """Sessions of two halves of the data."""

    first: Integers
    second: Integers


class NoiseCeiling(NamedTuple):
    """Correlation with the participants' RDMs that a perfect model is expected to lie between, (times,) each."""

    lower: Reals
    upper: Reals


def spearman_brown(correlation: Reals) -> Reals:
    """Reliability of all data from the correlation r of its halves, 2 r / (1 + r) (Spearman 1910, Brown 1910).

    It assumes that noise averages out as trials are added. Measures that also gain in signal, such as decoding
    accuracy with more training trials, are more reliable than it says. Minus infinity where r is -1.
    """
    with np.errstate(divide="ignore"):
        return 2 * correlation / (1 + correlation)


def split_half_reliability(first: rdm.Floats, second: rdm.Floats, *, method: Method) -> SplitHalf:
    """Correlate the RDMs of two halves of the data at each time.

    Needs the memory of some ten RDMs of one time point beyond its input.

    Parameters
    ----------
    first, second
        (times, pairs) of halves that share no trial.
    method
        Rank or product-moment correlation.

    Raises
    ------
    ValueError
        If the halves differ in shape or the method is unknown.
    """
    _check(first, second)
    pairs = zip(first, second, strict=True)
    correlation = np.array([(_unit(one, method) * _unit(other, method)).sum() for one, other in pairs])
    return SplitHalf(correlation, spearman_brown(correlation))


def session_splits(sessions: NDArray[np.integer], *, splits: int, seed: int) -> list[Split]:
    """Draw different splits of sessions into halves; with an odd number, the second half has one session more.

    Parameters
    ----------
    sessions
        Number of each session; repetitions, as in a list of trials, do not matter.
    splits
        How many are drawn. All are given if there are no more than that.
    seed
        Of the random choice.

    Raises
    ------
    ValueError
        If there are fewer than two sessions, or no split is asked for.
    """
    different = np.unique(sessions).astype(np.int64)
    if len(different) < 2 or splits < 1:
        raise ValueError(
            f"{splits} splits of {len(different)} sessions: ask for one or more, of two or more sessions"
        )
    # equal halves could change places: the first session stays in the first, so that no split comes twice
    fixed = range(1 - len(different) % 2)
    halves = (sorted((*fixed, *half)) for half in _subsets(len(different), len(fixed), splits, seed))
    return [Split(different[half], np.delete(different, half)) for half in halves]


def mean_split_half_reliability(
    make_rdms: Callable[[Integers], rdm.Floats], splits: Iterable[Split], *, method: Method
) -> SplitHalf:
    """Average the correlation of the halves over splits, then correct it (the correction is no linear one).

    Parameters
    ----------
    make_rdms
        Makes the RDMs (times, pairs) of some sessions. A measure that leaves sessions out needs two or more in each
        half.
    splits
        From `session_splits`.
    method
        Rank or product-moment correlation.

    Raises
    ------
    ValueError
        If there are no splits, or RDMs of two halves differ in shape.
    """
    found = [split_half_reliability(make_rdms(one), make_rdms(other), method=method) for one, other in splits]
    if not found:
        raise ValueError("splits is empty: draw one or more with `session_splits`")
    correlation = np.mean([split.correlation for split in found], axis=0)
    return SplitHalf(correlation, spearman_brown(correlation))


def noise_ceiling(rdms: rdm.Floats | Sequence[rdm.Floats], *, method: Method) -> NoiseCeiling:
    """Noise ceiling from the participants' own RDMs (Nili et al. 2014, doi:10.1371/journal.pcbi.1003553).

    Lower: each participant with the mean of the others. Upper: with the mean of all, the participant included. The
    means are over ranks (Spearman) or standardised RDMs (Pearson). For some of the stimuli, `cliphba.rdm.select`
    them first; for intervals there is `cliphba.evaluate.alignment.noise_ceiling`. Needs the memory of some twenty
    RDMs of one time point for each participant beyond its input.

    Parameters
    ----------
    rdms
        (times, pairs) of each participant.
    method
        Rank or product-moment correlation.

    Raises
    ------
    ValueError
        If there are fewer than two participants, or their RDMs differ in shape.
    """
    if len(rdms) < 2:
        raise ValueError("a noise ceiling needs two or more participants: leave it out for one")
    for other in rdms:
        _check(rdms[0], other)
    bounds = [_bounds(np.stack(at_one_time), method) for at_one_time in zip(*rdms, strict=True)]
    lower, upper = np.array(bounds).reshape(-1, 2).T
    return NoiseCeiling(lower, upper)


def time_generalisation(first: rdm.Floats, second: rdm.Floats | None = None, *, method: Method) -> Reals:
    """Correlate the RDM at each time with that at each other time: how far the geometry lasts or comes back.

    It is for RDMs what King & Dehaene (2014, doi:10.1016/j.tics.2014.01.002) do with classifiers. Within one data
    set, noise that lasts over time raises the correlation of neighbouring times, and the diagonal is 1. Across halves
    that share no trial the noise is independent, and the diagonal is the split-half correlation. Needs the memory of
    one single-precision copy of `first`, and of `BLOCK` time points of `second`, beyond its input; the rounding of
    single precision is below 1e-5.

    Parameters
    ----------
    first
        (times, pairs).
    second
        Likewise, of the other half of the data; `first` itself if left out.
    method
        Rank or product-moment correlation.

    Returns
    -------
    array
        (times of the first, times of the second).

    Raises
    ------
    ValueError
        If the halves differ in shape or the method is unknown.
    """
    _check(first, first if second is None else second)
    units = _units(first, method)
    if second is None:
        return (units @ units.T).astype(np.float64)
    generalisation = np.empty((len(first), len(second)))
    for start in range(0, len(second), BLOCK):
        generalisation[:, start : start + BLOCK] = units @ _units(second[start : start + BLOCK], method).T
    return generalisation


def _check(first: rdm.Floats, second: rdm.Floats) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            f"RDMs have shapes {first.shape} and {second.shape}: give (times, pairs) of the same times and stimuli"
        )


def _subsets(sessions: int, fixed: int, splits: int, seed: int) -> Iterable[tuple[int, ...]]:
    """Different choices of those sessions that join the fixed ones in the first half."""
    free = range(fixed, sessions)
    size = sessions // 2 - fixed
    if comb(len(free), size) <= splits:
        return combinations(free, size)
    generator = np.random.default_rng(seed)
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < splits:
        drawn[tuple(sorted(generator.choice(free, size, replace=False).tolist()))] = None
    return drawn


def _bounds(rdms: Reals, method: Method) -> tuple[float, float]:
    """Lower and upper ceiling of RDMs (participants, pairs)."""
    comparable = _comparable(rdms, method)
    unit = rdm.standardise(comparable)
    total = comparable.sum(0)
    lower, upper = ((_unit(pool, method) * unit).sum(-1).mean() for pool in (total - comparable, total))
    return float(lower), float(upper)


def _comparable(values: rdm.Floats, method: Method) -> Reals:
    """Bring RDMs (..., pairs) to ranks or to unit length, so that their mean favours none."""
    match method:
        case "spearman":
            return np.asarray(rankdata(values, axis=-1))
        case "pearson":
            # in single precision equal values differ from their rounded mean, and a constant RDM would not become 0
            return rdm.standardise(values.astype(np.float64))
    raise ValueError(f"method: there is no {method!r}; use 'spearman' or 'pearson'")


def _unit(values: rdm.Floats, method: Method) -> Reals:
    """Standardise RDMs (..., pairs) so that a product sum of two is their correlation."""
    return rdm.standardise(_comparable(values, method))


def _units(rdms: rdm.Floats, method: Method) -> NDArray[np.float32]:
    """Standardise RDMs (times, pairs) one by one, in double precision."""
    units = np.empty(rdms.shape, dtype=np.float32)
    for unit, one in zip(units, rdms, strict=True):
        unit[:] = _unit(one, method)
    return units
