"""Linear discriminant analysis of every pair of stimuli, all folds from one matrix inversion.

The classifier is scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...)``: a covariance shrunk
towards a multiple of the identity. Let the rows of Z be the N trials of a pair about their class means, K = Z Z',
d the difference of the means, g = Z d. With far fewer trials than sensors, all there is to know stands in K, g and
d'd (Woodbury). What a fold that leaves out the trials T decides follows without training anew: as in any ridge
regression, from the entries of (K + ridge)^-1 at T (Treder 2018, arXiv 1803.10016, for a fixed ridge).
With M = (K + ridge)^-1 on the complement of the class means, R = M at T x T, h = M g at T, n trials of a class and t
of them left out,

    y = R^-1 (h + u) - ridge a,            u = 1 / n,  a = 1 / (n - t), both negative for the second class,
    q = d'd - g'M g - ridge a'u + (h + u)' R^-1 (h + u)

are, times ridge, the projections of the left-out trials about their training means, and of the difference of the
training means, onto the classifier's weights: a trial of the first class is right if y - q / 2 + bias <= 0, one of
the second if y + q / 2 + bias > 0.

The ridge is shrinkage / (1 - shrinkage) times the mean variance of the *training* trials, so it differs a little
between folds, by delta. The folds' M is expanded in delta about the mean ridge, to the order at which what is left
out is below `LARGEST_ERROR` of M; where the third order is not enough, M is inverted anew for that fold.

Stimuli are laid out as a regular design of slots (fold x repetition); a missing trial is a slot of zeros that is kept
apart from the others. One stimulus meets eight others at once (`simd`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cliphba.meg.compiling import compiled
from cliphba.meg.design import Design, trial_slots
from cliphba.meg.leave_out import (
    BLOCK,
    Meeting,
    Work,
    allocate,
    distance,
    expand,
    explain,
    invert_about,
    raise_powers,
    score,
    solve,
)
from cliphba.meg.measure import Measure, Sums
from cliphba.meg.simd import LANES, chosen, largest, load, positive, splat, store
from cliphba.meg.threads import share_out

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Relative error of M that is tolerated when it is expanded instead of inverted.
LARGEST_ERROR = 1e-8


class Layout(NamedTuple):
    """Which trial stands in which slot, and how many there are. Stimuli fill tiles of `LANES` in order.

    Attributes
    ----------
    trial : integer array (tiles, LANES, slots)
        Row of the patterns, -1 where there is none; slots are ordered by fold, then repetition.
    present : (tiles, slots, LANES)
        1 where a slot holds a trial, else 0.
    number : (tiles, LANES)
        Trials of each stimulus, at least 1.
    tested, trained : (tiles, folds, LANES)
        Trials of each stimulus that each fold tests, and that train it.
    log_trained : (tiles, folds, LANES)
        Logarithm of the latter, for the priors.
    """

    trial: Integers
    present: Floats
    number: Floats
    tested: Floats
    trained: Floats
    log_trained: Floats


def prepare_lda(
    design: Design, *, shrinkage: float, value: Literal["accuracy", "decision"] = "accuracy", threads: int = 1
) -> Measure:
    """Make the measure that decodes every pair of stimuli by linear discriminant analysis.

    A fold counts for a pair if both stimuli have trials in it and in the others, with three or more training trials
    between them (two would not vary about their means). Unequal numbers of trials are treated as scikit-learn does:
    priors from the training trials, accuracy over all test trials of a fold.

    Parameters
    ----------
    design
        Which trials train and which test.
    shrinkage
        Weight of the identity in the covariance, between 0 and 1 (both excluded); 0.01 / 1.01 adds 0.01 times
        the mean variance, the convention of CoSMoMVPA.
    value
        ``accuracy`` (share of test trials on their own side; chance 0.5) or ``decision`` (mean of scikit-learn's
        decision function over test trials, positive on their own side; chance 0).
    threads
        Threads to use; the result does not depend on them.

    Raises
    ------
    ValueError
        If the shrinkage is out of range.
    """
    if not 0 < shrinkage < 1:
        raise ValueError(f"shrinkage must lie between 0 and 1, both excluded; it is {shrinkage}")
    layout = lay_out(design)
    pairs = design.stimuli * (design.stimuli - 1) // 2

    def measure(patterns: NDArray[np.floating], folds: Integers) -> Sums:
        # the mean of all trials cancels in every difference: without it the inner products lose no digits
        centred = np.asarray(patterns - patterns.mean(axis=0, dtype=np.float64), dtype=np.float64)
        across, channels = layout.trial.shape[2] + 1, patterns.shape[1]
        rows = np.empty((len(layout.trial), LANES * across, channels))
        columns = np.empty((len(layout.trial), channels, across * LANES))
        own, task = _allocate_own(layout), Task(folds, shrinkage, channels, value == "decision")
        sums = Sums(np.empty(pairs), np.empty(pairs))

        def arrange(tile: int) -> None:
            _arrange_tile(centred, layout, tile, rows[tile], columns[tile])

        def decode(home: int) -> None:
            _decode_tile(rows, columns, own, layout, task, home, design.stimuli, *sums)

        share_out(arrange, len(rows), threads=threads)
        _fill_own(rows, layout.trained, own)
        # the first tiles have the most others to meet
        share_out(decode, len(rows), threads=threads)
        return sums

    return measure


def lay_out(design: Design) -> Layout:
    """Put the stimuli's slots into tiles; stimuli without any trial fill the last one."""
    trial = np.pad(trial_slots(design), ((0, -design.stimuli % LANES), (0, 0)), constant_values=-1)
    lanes = trial.reshape(-1, LANES, trial.shape[1])
    present = np.ascontiguousarray((lanes >= 0).transpose(0, 2, 1), dtype=np.float64)
    tested = present.reshape(len(lanes), design.folds, -1, LANES).sum(axis=2)
    count = tested.sum(axis=1)
    trained = count[:, None] - tested
    return Layout(lanes, present, np.maximum(count, 1), tested, trained, np.log(np.maximum(trained, 1)))


@compiled
def _arrange_tile(patterns: Floats, layout: Layout, tile: int, rows: Floats, columns: Floats) -> None:
    """Put a tile's trials about their stimulus' mean into slots, the mean itself last.

    patterns : (trials, channels); rows : (LANES x (slots + 1), channels); columns : (channels, (slots + 1) x LANES)
    """
    lanes, slots = layout.trial.shape[1:]
    for lane in range(lanes):
        first = lane * (slots + 1)
        mean = rows[first + slots]
        mean[:] = 0.0
        for slot in range(slots):
            trial = layout.trial[tile, lane, slot]
            if trial >= 0:
                rows[first + slot] = patterns[trial]
                mean += patterns[trial]
            else:
                rows[first + slot] = 0.0
        mean /= layout.number[tile, lane]
        for slot in range(slots):
            if layout.trial[tile, lane, slot] >= 0:
                rows[first + slot] -= mean
        for slot in range(slots + 1):
            columns[:, slot * lanes + lane] = rows[first + slot]


class Task(NamedTuple):
    """What is asked for: the folds, the shrinkage, and whether decision values or accuracies."""

    folds: Integers
    shrinkage: float
    channels: int
    signed: bool


class Own(NamedTuple):
    """Inner products among the trials of each stimulus.

    Attributes
    ----------
    gram : (tiles, (slots + 1)^2, LANES)
        Of the trials about their mean, and of the mean.
    trace : (tiles, LANES)
        Sum of squares of all trials about their mean.
    lost : (tiles, folds, LANES)
        How much smaller that sum is for the training trials of a fold, about their own mean.
    """

    gram: Floats
    trace: Floats
    lost: Floats


def _allocate_own(layout: Layout) -> Own:
    """Make room for the inner products within stimuli."""
    tiles, folds, lanes = layout.tested.shape
    across = layout.present.shape[1] + 1
    return Own(np.empty((tiles, across * across, lanes)), np.zeros((tiles, lanes)), np.zeros((tiles, folds, lanes)))


@compiled
def _meet(own: Own, layout: Layout, cross: Floats, home: int, place: int, tile: int, work: Work) -> Meeting:
    """Bring one stimulus and the eight of a tile together, and tell which slots hold trials."""
    slots, size = layout.present.shape[1], len(work.present)
    for slot in range(slots):
        store(work.present, slot, splat(layout.present[home, slot, place]))
        store(work.present, slots + slot, load(layout.present[tile], slot))
    for slot in range(2 * slots, size):
        store(work.present, slot, splat(0.0))
    counts = (splat(layout.number[home, place]), load(layout.number, tile))
    lift = (splat(own.trace[home, place]) + load(own.trace, tile)) / (counts[0] + counts[1])
    width = slots // layout.tested.shape[1]
    return Meeting(own.gram[home], own.gram[tile], cross, place, slots, width, counts, lift)


@compiled
def _ridge(own: Own, home: int, place: int, tile: int, fold: int, scale: float) -> Any:
    """Ridge of a fold: a share of the mean variance of its training trials."""
    lost = splat(own.lost[home, fold, place]) + load(own.lost[tile], fold)
    return (splat(own.trace[home, place]) + load(own.trace, tile) - lost) * splat(scale)


@compiled
def _decode_pairs(
    own: Own, layout: Layout, task: Task, cross: Floats, home: int, place: int, tile: int, work: Work, sums: Floats
) -> None:
    """Decode one stimulus against the eight of a tile; `sums` are the total and the number of usable folds."""
    meeting = _meet(own, layout, cross, home, place, tile, work)
    folds, scale, signed = task.folds, task.shrinkage / (1 - task.shrinkage) / task.channels, task.signed
    ridge = splat(0.0)
    for fold in folds:
        ridge = ridge + _ridge(own, home, place, tile, fold, scale)
    ridge = ridge / splat(float(len(folds)))
    norm, squared = invert_about(meeting, work, ridge), False
    apart, counts = distance(meeting), meeting.counts
    total = usable = splat(0.0)
    for fold in folds:
        tested, trained = splat(layout.tested[home, fold, place]), splat(layout.trained[home, fold, place])
        other_tested, other_trained = load(layout.tested[tile], fold), load(layout.trained[tile], fold)
        needed = _ridge(own, home, place, tile, fold, scale)
        error = largest((needed - ridge) * (needed - ridge)) * norm
        if not error * error < LARGEST_ERROR:
            norm, squared = invert_about(meeting, work, needed), False
            ridge, error = needed, 0.0
        order = 1 if error < LARGEST_ERROR else 3
        if order == 3 and not squared:
            raise_powers(work)
            squared = True
        expand(meeting, work, fold, order, ridge, needed - ridge)
        quadratic = solve(work, 2 * meeting.width)
        out = (needed / trained, needed / other_trained)
        outside = out[0] * tested / counts[0] + out[1] * other_tested / counts[1]
        halfway = (apart - explain(work, order, needed - ridge) - outside + quadratic) * splat(0.5)
        trials = trained + other_trained
        # scikit-learn's decision function is in units of the covariance, these projections in those of the scatter
        unit = needed * splat(1 - task.shrinkage) / trials
        bias = unit * (load(layout.log_trained[tile], fold) - splat(layout.log_trained[home, fold, place]))
        found = score(meeting, work, fold, halfway, bias, out, signed)
        found = (found / unit if signed else found) / (tested + other_tested)
        both = positive(tested * other_tested * trained * other_trained) * positive(trials - splat(2.5))
        total, usable = total + chosen(both, found), usable + both
    store(sums, 0, total)
    store(sums, 1, usable)


@compiled
def _fill_own(rows: Floats, trained: Floats, own: Own) -> None:
    """Inner products within every stimulus, and what each fold's training trials lack of their sum of squares."""
    tiles, folds, lanes = trained.shape
    across = rows.shape[1] // lanes
    width = across // folds
    for tile in range(tiles):
        for lane in range(lanes):
            trials = rows[tile, lane * across : (lane + 1) * across]
            gram = np.dot(trials, trials.T)
            own.gram[tile, :, lane] = gram.ravel()
            for fold in range(folds):
                within = together = 0.0
                for row in range(fold * width, (fold + 1) * width):
                    within += gram[row, row]
                    for column in range(fold * width, (fold + 1) * width):
                        together += gram[row, column]
                own.trace[tile, lane] += within
                own.lost[tile, fold, lane] = within + together / max(trained[tile, fold, lane], 1.0)


@compiled
def _decode_tile(
    rows: Floats,
    columns: Floats,
    own: Own,
    layout: Layout,
    task: Task,
    home: int,
    stimuli: int,
    total: Floats,
    usable: Floats,
) -> None:
    """Decode all stimuli of a tile against those of their own and later tiles."""
    tiles, folds, lanes = layout.tested.shape
    slots = layout.present.shape[1]
    work = allocate(-(-2 * slots // BLOCK) * BLOCK, 2 * (slots // folds))
    sums = np.empty((2, lanes))
    for tile in range(home, tiles):
        cross = np.dot(rows[home], columns[tile]).reshape(-1, lanes)
        for place in range(min(lanes, stimuli - home * lanes)):
            _decode_pairs(own, layout, task, cross, home, place, tile, work, sums)
            first = home * lanes + place
            start = first * (stimuli - 1) - first * (first - 1) // 2 - first - 1
            for second in range(max(first + 1, tile * lanes), min(stimuli, (tile + 1) * lanes)):
                total[start + second] = sums[0, second - tile * lanes]
                usable[start + second] = sums[1, second - tile * lanes]
