"""Permutation tests: what could as well have been otherwise if there were nothing to find is exchanged.

Three things can be: the signs of participants' values, the labels of stimuli, the labels of participants. Every test
counts the true state of affairs among the exchanged ones, so that p is never zero and no more often at or below a
level than the level says (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585). That is exact wherever what is exchanged
is exchangeable; the comparison of two models is approximate. A test that cannot reach `ALPHA` is refused.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cliphba import rdm
from cliphba.evaluate.bootstrap import Reals

ALPHA = 0.05

#: As many random sign flips, where there are more in all.
SIGN_FLIPS = 10_000

# Sums that are equal but for the order of their terms count as ties.
ROUNDING = 1e-9

# Numbers held at once in a block of permutations: larger blocks fall out of the processor's cache.
BLOCK = 200_000


class Clusters(NamedTuple):
    """Result of `sign_flip_clusters`.

    Attributes
    ----------
    label
        (times,) number of the cluster a time belongs to, from 1; 0 where there is none.
    p
        (times,) p of that cluster; 1 where there is none.
    """

    label: NDArray[np.intp]
    p: Reals


def sign_flip_p(values: Reals, *, seed: int) -> Reals:
    """Test that the mean over people is zero, for the images as they are.

    Under the null hypothesis a person's value is as likely to have the opposite sign (Fisher 1935, The Design of
    Experiments, section 21). All sign flips are tried where there are no more than `SIGN_FLIPS`, else as many random
    ones.

    Parameters
    ----------
    values
        (..., participants), for instance differences between two models.
    seed
        Of the random sign flips.

    Returns
    -------
    array
        (...), two-sided p.

    Raises
    ------
    ValueError
        If there are fewer than 6 participants: no p can then be 0.05 or less.
    """
    participants = values.shape[-1]
    _refuse_too_few_people(participants)
    signs = _signs(participants, seed=seed)
    flat = values.reshape(-1, participants)
    blocks = np.array_split(flat, max(1, math.ceil(flat.shape[0] * len(signs) / BLOCK)))
    return np.concatenate([relabelled_p(signs @ block.T) for block in blocks]).reshape(values.shape[:-1])


def sign_flip_clusters(curves: Reals, *, seed: int) -> Clusters:
    """Find when the mean over people differs from zero, corrected over times by cluster mass.

    Neighbouring times whose t is beyond its two-sided 0.05 quantile, on the same side, form a cluster. Its sum of t
    is set against the largest one that flipping the signs of participants gives (Maris & Oostenveld 2007,
    doi:10.1016/j.jneumeth.2007.03.024). A small p says that there is an effect, not when it begins or ends
    (Sassenhagen & Draschkow 2019, doi:10.1111/psyp.13335).

    Parameters
    ----------
    curves
        (participants, times), defined everywhere.
    seed
        Of the random sign flips, where there are more than `SIGN_FLIPS`.

    Returns
    -------
    Clusters
        Of the times.

    Raises
    ------
    ValueError
        If there are fewer than 6 participants, or a curve is undefined somewhere.
    """
    # here, because it takes longer to import than everything else of an evaluation, and most of them do not need it
    import mne  # noqa: PLC0415

    participants, times = curves.shape
    _refuse_too_few_people(participants)
    if not np.isfinite(curves).all():
        raise ValueError("curves are undefined at some times: give the times after onset only")
    threshold = stats.t.ppf(1 - ALPHA / 2, df=participants - 1)
    _, clusters, p, _ = mne.stats.permutation_cluster_1samp_test(
        curves, threshold=threshold, n_permutations=SIGN_FLIPS, tail=0, out_type="indices", rng=seed, verbose="error"
    )
    found = Clusters(np.zeros(times, dtype=np.intp), np.ones(times))
    for number, ((members,), own) in enumerate(zip(clusters, p, strict=True), start=1):
        found.label[members], found.p[members] = number, own
    return found


def labellings(items: int, permutations: int, *, seed: int) -> NDArray[np.intp]:
    """List labellings of items; the first is the true one.

    Parameters
    ----------
    items
        How many stimuli, or participants.
    permutations
        If there are no more labellings than this, each comes once; else so many, the others random.
    seed
        Of the random ones: the same for the same seed, items and permutations.

    Returns
    -------
    array
        (labellings, items), which item stands at each place.
    """
    true = np.arange(items)
    if math.factorial(items) <= permutations:
        return np.array(list(itertools.permutations(true)), dtype=np.intp)
    shuffled = np.random.default_rng(seed).permuted(np.tile(true, (permutations - 1, 1)), axis=1)
    return np.concatenate([true[None], shuffled])


def relabel(predicted: Reals, measured: Reals, *, permutations: int, seed: int) -> Reals:
    """Correlate RDMs while the stimuli of one of them are relabelled (Mantel 1967, Cancer Research 27).

    Relabelling stimuli, not pairs, keeps pairs with a common stimulus as alike as they are. It keeps the values,
    too, so that ranks are taken once, before. `relabelled_p` and `corrected_p` turn the result, or sums of it such as
    an area over time, into p. The mean over fewer people than sign flips need is tested by the mean of their unit
    vectors as `measured`. Where participants have RDMs among themselves they take the part of stimuli.

    Parameters
    ----------
    predicted, measured
        (..., times, pairs), leading axes and times broadcast: centred and of unit length along the last axis
        (`rdm.ranks` for Spearman, `rdm.standardise` for Pearson). A prediction may be not-a-number where it is
        undefined.
    permutations, seed
        Number and seed of the labellings, see `labellings`.

    Returns
    -------
    array
        (permutations, ..., times) product sums, the first with the true labels.

    Raises
    ------
    ValueError
        If there are fewer than 4 stimuli or 20 permutations: no p can then be 0.05 or less.
    """
    order = _stimulus_labellings(measured.shape[-1], permutations, seed=seed)
    shape = np.broadcast_shapes(predicted.shape[:-1], measured.shape[:-1])
    centred = measured - measured.mean(-1, keepdims=True)
    fixed, relabelled = (
        np.broadcast_to(rdm.to_square(one), (*shape, order.shape[-1], order.shape[-1]))
        for one in (predicted, centred)
    )
    sums = np.empty((len(order), *shape))
    for index in np.ndindex(shape):
        sums[:, *index] = _product_sums(fixed[index], relabelled[index], order)
    return sums


def relabel_contrast(first: Reals, second: Reals, measured: Reals, *, permutations: int, seed: int) -> Reals:
    """Set two models against each other while stimuli are relabelled: what each stimulus has in the difference.

    The null hypothesis is that both align equally well, not that they do not align. Their sum may have much in common
    with the measurement, their difference nothing. So what the sum explains is taken out before the rest is
    relabelled (after Freedman & Lane 1983, doi:10.1080/07350015.1983.10509354).

    What is left is not equally variable everywhere, so that its sum alone seems significant in up to 13 % of
    simulated cases without any difference. `studentise`, after all means over times and people, mends it.

    Parameters
    ----------
    first, second, measured
        (..., times, pairs), leading axes and times broadcast: centred and of unit length along the last axis.
    permutations, seed
        Number and seed of the labellings, see `labellings`.

    Returns
    -------
    array
        (permutations, ..., times, stimuli) product sums over the pairs of each stimulus, the first with the true
        labels. There, as each pair has two stimuli, they add up to twice the difference of the two correlations. They
        take much memory: better give one time after another.

    Raises
    ------
    ValueError
        If there are fewer than 4 stimuli or 20 permutations: no p can then be 0.05 or less.
    """
    order = _stimulus_labellings(measured.shape[-1], permutations, seed=seed)
    # orthogonal to the sum, as both have unit length
    difference, common = first - second, rdm.standardise(first + second)
    left = measured - (common * measured).sum(-1, keepdims=True) * common
    difference, left = np.broadcast_arrays(difference, left)
    contributions = np.empty((len(order), *left.shape[:-1], order.shape[-1]))
    for index in np.ndindex(left.shape[:-1]):
        _contribute(rdm.to_square(difference[index]), rdm.to_square(left[index]), order, contributions[:, *index])
    return contributions


def studentise(contributions: Reals) -> Reals:
    """Sum of what stimuli contribute, relative to its own standard error: (..., stimuli) to (...).

    The error takes account of pairs having stimuli in common (Aronow, Samii & Assenova 2015,
    doi:10.1093/pan/mpv018). A permutation test of such a ratio holds its level where one of the bare sum does not
    (DiCiccio & Romano 2017, doi:10.1080/01621459.2016.1202117). That is so with many stimuli. In simulations of 20
    stimuli and two models with the same alignment, 0.03 to 0.06 of all p were 0.05 or less, few where alignment was
    strong: that ranks hang on each other is not taken account of.
    """
    squares = (contributions * contributions).sum(-1)
    ratio: Reals = contributions.sum(-1) / np.sqrt(squares + rdm.TINY)
    return ratio


def relabelled_p(null: Reals) -> Reals:
    """Two-sided p of statistics whose first value is the true one: (permutations, ...) to (...).

    The share of all values at least as far from zero as the true one; not-a-number where that is undefined.
    """
    return _share_as_large(np.abs(null), np.abs(null[0]))


def corrected_p(null: Reals) -> Reals:
    """Two-sided p, corrected for looking at all times: (permutations, ..., times) to (..., times).

    The share of labellings whose largest value over times is at least as far from zero as the true one of a time, so
    that under the null any p is 0.05 or less in 5 % of all cases (Westfall & Young 1993, Resampling-Based Multiple
    Testing). Undefined times stay out.
    """
    size = np.abs(null)
    return _share_as_large(np.fmax.reduce(size, axis=-1, keepdims=True), size[0])


def _share_as_large(size: Reals, true: Reals) -> Reals:
    """Share of (permutations, ...) that reach (...)."""
    tolerance = ROUNDING * size.max(0)
    return np.where(np.isnan(true), np.nan, (size >= true - tolerance).mean(0))


def _signs(participants: int, *, seed: int) -> Reals:
    """Sign flips (flips, participants); the first leaves all signs."""
    if 2**participants <= SIGN_FLIPS:
        return np.array(list(itertools.product((1.0, -1.0), repeat=participants)))
    signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(SIGN_FLIPS, participants))
    signs[0] = 1
    return signs


def _stimulus_labellings(pairs: int, permutations: int, *, seed: int) -> NDArray[np.intp]:
    stimuli = rdm.stimulus_count(pairs)
    _refuse(1 / math.factorial(stimuli), f"{stimuli} stimuli are too few to relabel; take 4 or more")
    _refuse(1 / permutations, f"{permutations} permutations are too few; take 20 or more")
    return labellings(stimuli, permutations, seed=seed)


@numba.njit(cache=True)
def _contribute(fixed: Reals, relabelled: Reals, order: NDArray[np.intp], out: Reals) -> None:
    """Row sums (labellings, stimuli) of the products of two square matrices, one of them relabelled.

    Loops, because array expressions would go through memory three times for every labelling.
    """
    for labelling in range(len(order)):
        for row, drawn in enumerate(order[labelling]):
            total = 0.0
            for column, other in enumerate(order[labelling]):
                total += fixed[row, column] * relabelled[drawn, other]
            out[labelling, row] = total


@numba.njit(cache=True)
def _product_sums(fixed: Reals, relabelled: Reals, order: NDArray[np.intp]) -> Reals:
    """Sum the products of two RDMs, as square matrices, one of them relabelled: (labellings,).

    Loops, because relabelled RDMs would otherwise have to be written down.
    """
    sums = np.zeros(len(order))
    for labelling in range(len(order)):
        for row in range(order.shape[1]):
            drawn = order[labelling, row]
            for column in range(row):
                sums[labelling] += fixed[row, column] * relabelled[drawn, order[labelling, column]]
    return sums


def _refuse_too_few_people(participants: int) -> None:
    remedy = (
        f"{participants} people are too few to flip signs; permute stimulus labels (`relabel`), or take 6 or more"
    )
    _refuse(2 / 2**participants, remedy)


def _refuse(least: float, remedy: str) -> None:
    """Refuse a test whose least possible p is above `ALPHA`."""
    if least > ALPHA:
        raise ValueError(f"this test gives no p below {least:.2g}, {ALPHA} is out of its reach: {remedy}")
