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

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from cliphba.meg.design import Design
from cliphba.meg.measure import Measure, Sums
from cliphba.meg.simd import LANES, chosen, largest, load, positive, root, splat, store
from cliphba.meg.threads import limited_threads

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Relative error of M that is tolerated when it is expanded instead of inverted.
LARGEST_ERROR = 1e-8
BLOCK = 4  # rows eliminated together: as many as there are registers for

# without Python's lock, so that tiles can be shared out to threads
_compiled = numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


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
    layout = _lay_out(design)
    pairs = design.stimuli * (design.stimuli - 1) // 2

    def measure(patterns: NDArray[np.floating], folds: Integers) -> Sums:
        # the mean of all trials cancels in every difference: without it the inner products lose no digits
        centred = np.asarray(patterns - patterns.mean(axis=0, dtype=np.float64), dtype=np.float64)
        across, channels = layout.trial.shape[2] + 1, patterns.shape[1]
        rows = np.empty((len(layout.trial), LANES * across, channels))
        columns = np.empty((len(layout.trial), channels, across * LANES))
        own, task = _own_products(layout), Task(folds, shrinkage, channels, value == "decision")
        sums = Sums(np.empty(pairs), np.empty(pairs))

        def arrange(tile: int) -> None:
            _arrange_tile(centred, layout, tile, rows[tile], columns[tile])

        def decode(home: int) -> None:
            _decode_tile(rows, columns, own, layout, task, home, design.stimuli, *sums)

        with limited_threads(1), ThreadPoolExecutor(threads) as pool:
            list(pool.map(arrange, range(len(rows))))
            _fill_own(rows, layout.trained, own)
            # the first tiles have the most others to meet; the list raises what a thread raised
            list(pool.map(decode, range(len(rows))))
        return sums

    return measure


def _lay_out(design: Design) -> Layout:
    """Give every trial a slot: its fold, and its rank among the trials of its stimulus there."""
    cell = design.stimulus * design.folds + design.fold
    order = np.argsort(cell, kind="stable")
    repetition = np.empty(len(cell), dtype=np.int64)
    repetition[order] = np.arange(len(cell)) - np.searchsorted(cell[order], cell[order])
    width = int(design.counts.max())
    tiles = -(-design.stimuli // LANES)
    trial = np.full((tiles * LANES, design.folds * width), -1)
    trial[design.stimulus, design.fold * width + repetition] = np.arange(len(cell))
    lanes = trial.reshape(tiles, LANES, -1)
    present = np.ascontiguousarray((lanes >= 0).transpose(0, 2, 1), dtype=np.float64)
    tested = present.reshape(tiles, design.folds, width, LANES).sum(axis=2)
    count = tested.sum(axis=1)
    trained = count[:, None] - tested
    return Layout(lanes, present, np.maximum(count, 1), tested, trained, np.log(np.maximum(trained, 1)))


@_compiled
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


def _own_products(layout: Layout) -> Own:
    """Make room for them."""
    tiles, folds, lanes = layout.tested.shape
    across = layout.present.shape[1] + 1
    return Own(np.empty((tiles, across * across, lanes)), np.zeros((tiles, lanes)), np.zeros((tiles, folds, lanes)))


class Meeting(NamedTuple):
    """One stimulus and the eight of a tile that it meets.

    Attributes
    ----------
    own, other : ((slots + 1)^2, LANES)
        Inner products within the tile of the one, and within that of the eight.
    cross : (LANES x (slots + 1)^2, LANES)
        Between the two tiles.
    place : int
        Lane of the one in its tile.
    slots, width : int
        Slots of a stimulus, in all and in a fold.
    counts : pair of vectors
        Trials of the one, and of the eight.
    lift : vector
        A constant of the matrix' own size.
    """

    own: Floats
    other: Floats
    cross: Floats
    place: int
    slots: int
    width: int
    counts: Any
    lift: Any


class Work(NamedTuple):
    """Memory of one thread: rows of `LANES` numbers; matrices are stored row by row.

    Attributes
    ----------
    matrix, square : (size^2, LANES)
        M and M M.
    gathered, weighted : (size x BLOCK, LANES)
        Columns that are being eliminated, before and after division by their pivot.
    pivot : (BLOCK^2, LANES)
        Inverse of the pivot.
    powers : (5 x size, LANES)
        g, M g, M M g, M M M g and M M M M g.
    present : (size, LANES)
        1 for the slots of either stimulus that hold a trial.
    left : (width^2, LANES)
        R, then its Cholesky factor.
    solution : (width, LANES)
        h + u, then y.
    """

    matrix: Floats
    square: Floats
    gathered: Floats
    weighted: Floats
    pivot: Floats
    powers: Floats
    present: Floats
    left: Floats
    solution: Floats


@_compiled
def _allocate(size: int, width: int) -> Work:
    return Work(
        np.empty((size * size, LANES)),
        np.empty((size * size, LANES)),
        np.empty((size * BLOCK, LANES)),
        np.empty((size * BLOCK, LANES)),
        np.empty((BLOCK * BLOCK, LANES)),
        np.empty((5 * size, LANES)),
        np.empty((size, LANES)),
        np.empty((width * width, LANES)),
        np.empty((width, LANES)),
    )


@_compiled
def _place(meeting: Meeting, work: Work) -> None:
    """Put the inner products of a pair's trials into the lower triangle of the matrix, and g beside it."""
    own, other, cross, place = meeting.own, meeting.other, meeting.cross, meeting.place
    size, across = len(work.present), meeting.slots + 1
    slots, mean_row = meeting.slots, (meeting.place * across + meeting.slots) * across
    for row in range(slots):
        below, start = slots + row, (place * across + row) * across
        for column in range(row + 1):
            store(work.matrix, row * size + column, splat(own[row * across + column, place]))
            store(work.matrix, below * size + slots + column, load(other, row * across + column))
        for column in range(slots):
            store(work.matrix, (slots + column) * size + row, load(cross, start + column))
        store(work.powers, row, load(cross, start + slots) - splat(own[row * across + slots, place]))
        store(work.powers, below, load(other, row * across + slots) - load(cross, mean_row + row))
    for row in range(2 * slots, size):
        store(work.powers, row, splat(0.0))
        for column in range(row + 1):
            store(work.matrix, row * size + column, splat(0.0))


@_compiled
def _lift(meeting: Meeting, work: Work, ridge: Any) -> None:
    """Add the ridge, and a constant where the matrix has no meaning: along the class means and in empty slots."""
    size, slots, lift = len(work.present), meeting.slots, meeting.lift
    shares = (lift / meeting.counts[0], lift / meeting.counts[1])
    for row in range(size):
        here = load(work.present, row)
        weight = here * (shares[0] if row < slots else shares[1])
        for column in range(slots if row >= slots else 0, min(row + 1, 2 * slots)):
            lifted = load(work.matrix, row * size + column) + weight * load(work.present, column)
            store(work.matrix, row * size + column, lifted)
        diagonal = row * size + row
        store(work.matrix, diagonal, load(work.matrix, diagonal) + ridge + (splat(1.0) - here) * lift)


@_compiled
def _invert_pivot(work: Work, first: int) -> None:
    """Invert the block of the matrix on the diagonal from a row on, into the pivot."""
    size, pivot = len(work.present), work.pivot
    for row in range(BLOCK):
        for column in range(BLOCK):
            lower, upper = max(row, column), min(row, column)
            store(pivot, row * BLOCK + column, load(work.matrix, (first + lower) * size + first + upper))
    for step in range(BLOCK):
        inverse = splat(1.0) / load(pivot, step * BLOCK + step)
        for row in range(BLOCK):
            if row != step:
                factor = load(pivot, row * BLOCK + step) * inverse
                for column in range(BLOCK):
                    if column != step:
                        entry = load(pivot, row * BLOCK + column)
                        store(pivot, row * BLOCK + column, entry - factor * load(pivot, step * BLOCK + column))
                store(pivot, row * BLOCK + step, splat(0.0) - factor)
        for column in range(BLOCK):
            if column != step:
                store(pivot, step * BLOCK + column, load(pivot, step * BLOCK + column) * inverse)
        store(pivot, step * BLOCK + step, inverse)


@_compiled
def _gather(work: Work, first: int) -> None:
    """Take the columns to be eliminated out of the triangle, and divide them by their pivot."""
    size, matrix = len(work.present), work.matrix
    for row in range(size):
        for column in range(BLOCK):
            lower, upper = max(row, first + column), min(row, first + column)
            store(work.gathered, row * BLOCK + column, load(matrix, lower * size + upper))
        for column in range(BLOCK):
            weighted = splat(0.0)
            for inner in range(BLOCK):
                weighted = weighted + load(work.gathered, row * BLOCK + inner) * load(
                    work.pivot, inner * BLOCK + column
                )
            store(work.weighted, row * BLOCK + column, weighted)


@_compiled
def _eliminate(work: Work, first: int) -> None:
    """Sweep four rows and columns (Goodnight 1979): in the end the lower triangle is minus the inverse."""
    size, matrix, gathered, weighted = len(work.present), work.matrix, work.gathered, work.weighted
    for row in range(0, size, 2):
        above, below = row * size, row * size + size
        a0, a1, a2, a3 = (
            load(weighted, row * BLOCK),
            load(weighted, row * BLOCK + 1),
            load(weighted, row * BLOCK + 2),
            load(weighted, row * BLOCK + 3),
        )
        b0, b1, b2, b3 = (
            load(weighted, row * BLOCK + 4),
            load(weighted, row * BLOCK + 5),
            load(weighted, row * BLOCK + 6),
            load(weighted, row * BLOCK + 7),
        )
        # the upper row's last entry lies above the diagonal: it is never read
        for column in range(row + 2):
            g0, g1, g2, g3 = (
                load(gathered, column * BLOCK),
                load(gathered, column * BLOCK + 1),
                load(gathered, column * BLOCK + 2),
                load(gathered, column * BLOCK + 3),
            )
            store(matrix, above + column, load(matrix, above + column) - a0 * g0 - a1 * g1 - a2 * g2 - a3 * g3)
            store(matrix, below + column, load(matrix, below + column) - b0 * g0 - b1 * g1 - b2 * g2 - b3 * g3)
    for row in range(size):
        for column in range(BLOCK):
            lower, upper = max(row, first + column), min(row, first + column)
            store(matrix, lower * size + upper, load(weighted, row * BLOCK + column))
    for row in range(BLOCK):
        for column in range(row + 1):
            store(matrix, (first + row) * size + first + column, splat(0.0) - load(work.pivot, row * BLOCK + column))


@_compiled
def _invert(work: Work) -> float:
    """Turn the lower triangle into its inverse, a full matrix; return the largest squared norm of any lane's."""
    size, matrix = len(work.present), work.matrix
    for first in range(0, size, BLOCK):
        _invert_pivot(work, first)
        _gather(work, first)
        _eliminate(work, first)
    squared = splat(0.0)
    for row in range(size):
        for column in range(row + 1):
            entry = splat(0.0) - load(matrix, row * size + column)
            squared = squared + entry * entry
            store(matrix, row * size + column, entry)
            store(matrix, column * size + row, entry)
    norm: float = 2 * largest(squared)
    return norm


@_compiled
def _raise(work: Work, power: int) -> None:
    """Multiply one power of M, applied to g, by M: the next."""
    size = len(work.present)
    for row in range(size):
        product = splat(0.0)
        for column in range(size):
            product = product + load(work.matrix, row * size + column) * load(work.powers, power * size + column)
        store(work.powers, (power + 1) * size + row, product)


@_compiled
def _square(work: Work) -> None:
    """Multiply M by itself; both are symmetric."""
    size, matrix = len(work.present), work.matrix
    for row in range(0, size, 2):
        for column in range(0, row + 2, 2):
            s00 = s01 = s10 = s11 = splat(0.0)
            for inner in range(size):
                a0, a1 = load(matrix, row * size + inner), load(matrix, (row + 1) * size + inner)
                b0, b1 = load(matrix, column * size + inner), load(matrix, (column + 1) * size + inner)
                s00, s01, s10, s11 = s00 + a0 * b0, s01 + a0 * b1, s10 + a1 * b0, s11 + a1 * b1
            for place, value in ((0, s00), (1, s01)):
                store(work.square, row * size + column + place, value)
                store(work.square, (column + place) * size + row, value)
            for place, value in ((0, s10), (1, s11)):
                store(work.square, (row + 1) * size + column + place, value)
                store(work.square, (column + place) * size + row + 1, value)


@_compiled
def _dot(first: Floats, start: int, second: Floats, other_start: int, size: int) -> Any:
    """Inner product of two rows of vectors."""
    product = splat(0.0)
    for place in range(size):
        product = product + load(first, start + place) * load(second, other_start + place)
    return product


@_compiled
def _slot(meeting: Meeting, place: int, fold: int) -> int:
    """Row of the matrix of a left-out slot: those of the one come first."""
    width = meeting.width
    return fold * width + place if place < width else meeting.slots + fold * width + place - width


@_compiled
def _expand(meeting: Meeting, work: Work, fold: int, order: int, ridge: Any, delta: Any) -> None:
    """Set R and h + u for one fold, expanded in its ridge."""
    size, width, matrix, square = len(work.present), meeting.width, work.matrix, work.square
    along = splat(1.0) / (ridge + meeting.lift)
    # what the matrix is along the class means, of which R has nothing
    means = along - delta * along * along
    if order == 3:
        means = means + delta * delta * along * along * (along - delta * along * along)
    for row in range(2 * width):
        here, count = _slot(meeting, row, fold), meeting.counts[0] if row < width else meeting.counts[1]
        seen = load(work.present, here)
        for column in range(row + 1):
            there = _slot(meeting, column, fold)
            entry = load(matrix, here * size + there)
            if order == 1:
                entry = entry - delta * _dot(matrix, here * size, matrix, there * size, size)
            else:
                third = _dot(matrix, here * size, square, there * size, size)
                fourth = _dot(square, here * size, square, there * size, size)
                entry = entry - delta * (load(square, here * size + there) - delta * (third - delta * fourth))
            if (row < width) == (column < width):
                entry = entry - means / count
            entry = entry * seen * load(work.present, there)
            store(work.left, row * 2 * width + column, entry + (splat(1.0) - seen) if row == column else entry)
        found = load(work.powers, size + here) - delta * load(work.powers, 2 * size + here)
        if order == 3:
            higher = load(work.powers, 3 * size + here) - delta * load(work.powers, 4 * size + here)
            found = found + delta * delta * higher
        mean = splat(1.0) / count if row < width else splat(-1.0) / count
        store(work.solution, row, (found + mean) * seen)


@_compiled
def _explain(work: Work, order: int, delta: Any) -> Any:
    """Give g'M g, expanded in the ridge."""
    size, powers = len(work.present), work.powers
    explained = _dot(powers, 0, powers, size, size) - delta * _dot(powers, size, powers, size, size)
    if order == 3:
        third, fourth = _dot(powers, size, powers, 2 * size, size), _dot(powers, 2 * size, powers, 2 * size, size)
        explained = explained + delta * delta * (third - delta * fourth)
    return explained


@_compiled
def _solve(work: Work, width: int) -> Any:
    """Solve R y = h + u in place; return (h + u)'y."""
    left, solution = work.left, work.solution
    quadratic = splat(0.0)
    for row in range(width):
        for column in range(row + 1):
            entry = load(left, row * width + column)
            for inner in range(column):
                entry = entry - load(left, row * width + inner) * load(left, column * width + inner)
            if row == column:
                store(left, row * width + row, splat(1.0) / root(entry))
            else:
                store(left, row * width + column, entry * load(left, column * width + column))
        forward = load(solution, row)
        for inner in range(row):
            forward = forward - load(left, row * width + inner) * load(solution, inner)
        forward = forward * load(left, row * width + row)
        store(solution, row, forward)
        quadratic = quadratic + forward * forward
    for row in range(width - 1, -1, -1):
        backward = load(solution, row)
        for inner in range(row + 1, width):
            backward = backward - load(left, inner * width + row) * load(solution, inner)
        store(solution, row, backward * load(left, row * width + row))
    return quadratic


@_compiled
def _score(meeting: Meeting, work: Work, fold: int, halfway: Any, bias: Any, out: Any, signed: bool) -> Any:
    """Sum over the left-out trials of what they score: right or wrong, or their signed distance.

    `halfway` is q / 2; `out` are ridge / (n - t) of both classes.
    """
    total = splat(0.0)
    for row in range(2 * meeting.width):
        projection = load(work.solution, row)
        if row < meeting.width:
            decision = projection - out[0] - halfway + bias
            score = splat(0.0) - decision if signed else splat(1.0) - positive(decision)
        else:
            decision = projection + out[1] + halfway + bias
            score = decision if signed else positive(decision)
        total = total + chosen(load(work.present, _slot(meeting, row, fold)), score)
    return total


@_compiled
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


@_compiled
def _ridge(own: Own, home: int, place: int, tile: int, fold: int, scale: float) -> Any:
    """Ridge of a fold: a share of the mean variance of its training trials."""
    lost = splat(own.lost[home, fold, place]) + load(own.lost[tile], fold)
    return (splat(own.trace[home, place]) + load(own.trace, tile) - lost) * splat(scale)


@_compiled
def _distance(meeting: Meeting) -> Any:
    """Squared distance of the class means, d'd."""
    across = meeting.slots + 1
    corner, mean = across * across - 1, (meeting.place * across + meeting.slots) * across + meeting.slots
    within = splat(meeting.own[corner, meeting.place]) + load(meeting.other, corner)
    return within - splat(2.0) * load(meeting.cross, mean)


@_compiled
def _invert_about(meeting: Meeting, work: Work, ridge: Any) -> float:
    """Invert K + ridge; return the largest squared norm of the inverse."""
    _place(meeting, work)
    _lift(meeting, work, ridge)
    norm = _invert(work)
    _raise(work, 0)
    _raise(work, 1)
    return norm


@_compiled
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
    norm, squared = _invert_about(meeting, work, ridge), False
    distance, counts = _distance(meeting), meeting.counts
    total = usable = splat(0.0)
    for fold in folds:
        tested, trained = splat(layout.tested[home, fold, place]), splat(layout.trained[home, fold, place])
        other_tested, other_trained = load(layout.tested[tile], fold), load(layout.trained[tile], fold)
        needed = _ridge(own, home, place, tile, fold, scale)
        error = largest((needed - ridge) * (needed - ridge)) * norm
        if not error * error < LARGEST_ERROR:
            norm, squared = _invert_about(meeting, work, needed), False
            ridge, error = needed, 0.0
        order = 1 if error < LARGEST_ERROR else 3
        if order == 3 and not squared:
            _square(work)
            _raise(work, 2)
            _raise(work, 3)
            squared = True
        _expand(meeting, work, fold, order, ridge, needed - ridge)
        quadratic = _solve(work, 2 * meeting.width)
        out = (needed / trained, needed / other_trained)
        outside = out[0] * tested / counts[0] + out[1] * other_tested / counts[1]
        halfway = (distance - _explain(work, order, needed - ridge) - outside + quadratic) * splat(0.5)
        trials = trained + other_trained
        # scikit-learn's decision function is in units of the covariance, these projections in those of the scatter
        unit = needed * splat(1 - task.shrinkage) / trials
        bias = unit * (load(layout.log_trained[tile], fold) - splat(layout.log_trained[home, fold, place]))
        score = _score(meeting, work, fold, halfway, bias, out, signed)
        score = (score / unit if signed else score) / (tested + other_tested)
        both = positive(tested * other_tested * trained * other_trained) * positive(trials - splat(2.5))
        total, usable = total + chosen(both, score), usable + both
    store(sums, 0, total)
    store(sums, 1, usable)


@_compiled
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


@_compiled
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
    work = _allocate(-(-2 * slots // BLOCK) * BLOCK, 2 * (slots // folds))
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
