"""Linear discriminant analysis of every pair of stimuli, with as much shrinkage as Ledoit and Wolf (2004) find best.

The classifier is scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")``. The training trials
of each stimulus are standardised, their covariance is shrunk, and the result is scaled back; the covariance of a pair
is the mean of its stimuli's, weighted with their priors. Times the number of training trials of the pair, it is

    diag(e) + Y'Y,    e = shrinkage x mean variance of the standardised trials x variance x trials, summed over both,

with the training trials about their stimulus' mean, times the root of 1 - shrinkage, in the rows of Y. Shrinkage and
rows are those of a stimulus, whatever its partner. With far fewer trials than sensors, all there is to know of a pair
stands in the inner products of its trials weighted by v = 1 / e (Woodbury): with V = diag(v) and the difference d of
the means, a pattern z projects onto the classifier's weights as z'V d - z'V Y'u, where (I + Y V Y') u = Y V d.

The weights v are those of a pair, so that the products within a stimulus are made anew for each partner: of eight
stimuli with eight others, as one matrix product for each stimulus. Then one stimulus meets eight others at once
(`simd`). A missing trial is a slot of zeros, which changes nothing in this algebra.

Up to two training trials leave nothing to shrink: Ledoit and Wolf find 0. Where that is so of both stimuli, e = 0,
and the pseudo-inverse takes the place of the inverse, as in scikit-learn: v = 1, and the projection is
z'Y' (Y Y')^+2 Y d.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cliphba.meg.compiling import compiled
from cliphba.meg.design import Design, trial_slots
from cliphba.meg.measure import Measure, Sums, check_patterns
from cliphba.meg.simd import LANES, chosen, load, positive, root, splat, store
from cliphba.meg.threads import share_out

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ROUNDING = 1e-12  # what is smaller than this, relative to what it was subtracted from, is zero but for rounding
EPSILON = float(np.finfo(np.float64).eps)


def prepare_lda_ledoit_wolf(
    design: Design, *, value: Literal["accuracy", "decision"] = "accuracy", threads: int = 1
) -> Measure:
    """Make the measure that decodes every pair of stimuli by an analysis that chooses its shrinkage itself.

    A fold counts for a pair if both stimuli have trials in it and in the others, with three or more training trials
    between them (scikit-learn refuses two). Unequal numbers of trials are treated as scikit-learn does: priors from
    the training trials, accuracy over all test trials of a fold. So are channels that do not vary in training: their
    variance counts as 1, in the square of the patterns' unit.

    Two differences remain. Where both stimuli have one or two training trials, scikit-learn's result hangs on
    rounding errors (it divides by a shrinkage of 1e-16, or not); here the shrinkage is 0, as it would be without
    them. And where the variances of channels differ by a factor of about 1e12 or more, scikit-learn's solver drops
    the smaller ones, which are kept here: patterns in tesla with a channel that does not vary are such a case.

    Parameters
    ----------
    design
        Which trials train and which test.
    value
        ``accuracy`` (share of test trials on their own side; chance 0.5) or ``decision`` (mean of scikit-learn's
        decision function over test trials, positive on their own side; chance 0).
    threads
        Threads to use; the result does not depend on them.

    Returns
    -------
    Measure
        Takes patterns (trials, channels) and folds; raises ValueError for patterns that do not fit the design or
        are not finite.
    """
    # stimuli without any trial fill the last tile
    trial = np.pad(trial_slots(design), ((0, -design.stimuli % LANES), (0, 0)), constant_values=-1)
    width = int(design.counts.max())
    pairs = design.stimuli * (design.stimuli - 1) // 2

    def measure(patterns: NDArray[np.floating], folds: Integers) -> Sums:
        check_patterns(patterns, design)
        offset = patterns.mean(axis=0, dtype=np.float64)
        # the mean of all trials cancels in every difference: without it the inner products lose no digits
        centred = patterns.astype(np.float64) - offset
        sums = Sums(np.zeros(pairs), np.zeros(pairs))
        for fold in folds:
            # the slots that the fold tests come last
            slots = np.roll(trial, -(fold + 1) * width, axis=1)
            learned = _allocate_learned(slots, width, patterns.shape[1])
            learn = partial(_learn_tile, patterns=centred, offset=offset, trial=slots, learned=learned)
            share_out(learn, len(learned.rows), threads=threads)
            decode = partial(
                _decode_home, learned=learned, signed=value == "decision", stimuli=design.stimuli, total=sums.total,
                folds=sums.folds,
            )  # fmt: skip
            # the first tiles have the most others to meet
            share_out(decode, len(learned.rows), threads=threads)
        return sums

    return measure


class Learned(NamedTuple):
    """What a fold's training trials say of each stimulus.

    Attributes
    ----------
    rows : (tiles, LANES, slots + 1, channels)
        Trials about the mean of the training trials, those that train times the root of 1 - shrinkage; then the mean.
    columns : (tiles, channels, slots + 1, LANES)
        The same.
    spread : (tiles, channels, LANES)
        The stimulus' share of e.
    shrunk : (tiles, LANES)
        1 where there is any shrinkage, else 0.
    trained : (tiles, LANES)
        Training trials.
    present : (tiles, width, LANES)
        1 where a slot that is tested holds a trial, else 0.
    """

    rows: Floats
    columns: Floats
    spread: Floats
    shrunk: Floats
    trained: Floats
    present: Floats


def _allocate_learned(trial: Integers, width: int, channels: int) -> Learned:
    tiles, across = len(trial) // LANES, trial.shape[1] + 1
    return Learned(
        np.empty((tiles, LANES, across, channels)),
        np.empty((tiles, channels, across, LANES)),
        np.empty((tiles, channels, LANES)),
        np.empty((tiles, LANES)),
        np.empty((tiles, LANES)),
        np.empty((tiles, width, LANES)),
    )


@compiled
def _shrinkage(gram: Floats, trials: float, channels: int) -> float:
    """Ledoit and Wolf's shrinkage, from the inner products of the standardised trials."""
    diagonal = np.diag(gram)
    squared = np.sum(gram * gram) / trials**2
    mean_variance = np.sum(diagonal) / (trials * channels)
    noise = np.sum(diagonal * diagonal) / trials - squared
    distance = squared - channels * mean_variance**2
    return noise / max(noise, trials * distance) if noise > ROUNDING * squared else 0.0


@compiled
def _learn(trials: Floats, present: Floats, offset: Floats, training: int, spread: Floats) -> float:
    """Turn the trials of a stimulus into its rows, in place, and set its share of e; return the shrinkage.

    The mean takes the place of the last row. Patterns are seen from the offset.
    """
    channels = trials.shape[1]
    count = max(present[:training].sum(), 1.0)
    mean = trials[:training].sum(axis=0) / count
    trials -= mean * present.reshape(-1, 1)
    trials[-1] = mean
    trained = trials[:training]
    variance = (trained * trained).sum(axis=0) / count
    # scikit-learn's bound on what is left by rounding of a channel that does not vary
    rounding = count * EPSILON * variance + (count * EPSILON * (np.abs(mean) + np.abs(offset))) ** 2
    variance = np.where(variance <= rounding, 1.0, variance)
    standardised = trained / np.sqrt(variance)
    gram = np.dot(standardised, standardised.T)
    shrinkage = _shrinkage(gram, count, channels)
    trained *= np.sqrt(1 - shrinkage)
    spread[:] = shrinkage * np.trace(gram) / channels * variance
    return shrinkage


@compiled
def _learn_tile(tile: int, patterns: Floats, offset: Floats, trial: Integers, learned: Learned) -> None:
    """Learn of eight stimuli from the trials in their slots."""
    _, width, lanes = learned.present.shape
    slots, channels = trial.shape[1], patterns.shape[1]
    for lane in range(lanes):
        filled, share, rows = np.zeros(slots + 1), np.empty(channels), learned.rows[tile, lane]
        rows[:] = 0
        for slot in range(slots):
            here = trial[tile * lanes + lane, slot]
            if here >= 0:
                rows[slot] = patterns[here]
                filled[slot] = 1
        learned.shrunk[tile, lane] = _learn(rows, filled, offset, slots - width, share) > 0
        learned.trained[tile, lane] = filled[: slots - width].sum()
        learned.present[tile, :, lane] = filled[slots - width : slots]
        learned.columns[tile, :, :, lane] = rows.T
        learned.spread[tile, :, lane] = share


class Work(NamedTuple):
    """Memory of one thread.

    Attributes
    ----------
    weights, other_weights : (LANES, channels, LANES)
        v of each stimulus of a tile with each of another, and the other way round.
    products : (entries, channels)
        Products of two rows of a stimulus, channel by channel; entries are those of a lower triangle.
    own, other, others : (entries, LANES), the last of them (LANES, entries, LANES)
        Weighted inner products within the first stimulus, within each second, and within each second for all firsts.
    scaled : (channels, (slots + 1) x LANES)
        Weighted columns of a tile.
    cross : (slots + 1, (slots + 1) x LANES)
        Weighted inner products of the first stimulus' rows with the others'.
    matrix : (2 x slots x size, LANES)
        Weighted inner products of all trials of a pair with its training trials; those that train come first, and
        are `size`. In their rows, then the Cholesky factor.
    apart : (2 x slots, LANES)
        The same with the difference of the means.
    solution : (size, LANES)
        u.
    """

    weights: Floats
    other_weights: Floats
    products: Floats
    own: Floats
    other: Floats
    others: Floats
    scaled: Floats
    cross: Floats
    matrix: Floats
    apart: Floats
    solution: Floats


@compiled
def _allocate(across: int, size: int, channels: int) -> Work:
    entries = across * (across + 1) // 2
    return Work(
        np.empty((LANES, channels, LANES)),
        np.empty((LANES, channels, LANES)),
        np.empty((entries, channels)),
        np.empty((entries, LANES)),
        np.empty((entries, LANES)),
        np.empty((LANES, entries, LANES)),
        np.empty((channels, across * LANES)),
        np.empty((across, across * LANES)),
        np.empty((2 * (across - 1) * size, LANES)),
        np.empty((2 * (across - 1), LANES)),
        np.empty((size, LANES)),
    )


@compiled
def _weigh(own_spread: Floats, spread: Floats, weights: Floats) -> None:
    """Set v for all pairs of two tiles; 1 where e is zero."""
    for place in range(LANES):
        for channel in range(len(spread)):
            total = splat(own_spread[channel, place]) + load(spread, channel)
            store(weights[place], channel, splat(1.0) / (total + splat(1.0) - positive(total)))


@compiled
def _multiply_within(rows: Floats, weights: Floats, products: Floats, out: Floats) -> None:
    """Weighted inner products of a stimulus' rows, for eight weights at once."""
    entry = 0
    for row in range(len(rows)):
        for column in range(row + 1):
            for channel in range(rows.shape[1]):
                products[entry, channel] = rows[row, channel] * rows[column, channel]
            entry += 1
    np.dot(products, weights, out)


@compiled
def _multiply_between(rows: Floats, columns: Floats, weights: Floats, work: Work) -> None:
    """Weighted inner products of a stimulus' rows with those of eight others."""
    across = len(rows)
    source, scaled = columns.reshape(-1, LANES), work.scaled.reshape(-1, LANES)
    for channel in range(len(weights)):
        weight = load(weights, channel)
        for place in range(channel * across, (channel + 1) * across):
            store(scaled, place, load(source, place) * weight)
    np.dot(rows, work.scaled, work.cross)


@compiled
def _entry(row: int, column: int) -> int:
    """Place in a lower triangle."""
    return row * (row + 1) // 2 + column


@compiled
def _place(slot: int, second: int, training: int, slots: int) -> int:
    """Row of a pair's matrix: training slots of the first and the second stimulus, then those that are tested."""
    if slot < training:
        return second * training + slot
    return training + slot + second * (slots - training)


@compiled
def _assemble(work: Work, training: int) -> Any:
    """Put the inner products of a pair together; return that of the difference of the means with itself."""
    size, slots = 2 * training, len(work.apart) // 2
    across, matrix, cross = slots + 1, work.matrix, work.cross.reshape(-1, LANES)
    for slot in range(slots):
        here, there = _place(slot, 0, training, slots), _place(slot, 1, training, slots)
        for column in range(min(slot + 1, training)):
            store(matrix, here * size + column, load(work.own, _entry(slot, column)))
            store(matrix, there * size + training + column, load(work.other, _entry(slot, column)))
        for column in range(training):
            store(matrix, there * size + column, load(cross, column * across + slot))
            if slot >= training:
                store(matrix, here * size + training + column, load(cross, slot * across + column))
        store(work.apart, here, load(cross, slot * across + slots) - load(work.own, _entry(slots, slot)))
        store(work.apart, there, load(work.other, _entry(slots, slot)) - load(cross, slots * across + slot))
    corner = _entry(slots, slots)
    return load(work.own, corner) + load(work.other, corner) - splat(2.0) * load(cross, slots * across + slots)


@compiled
def _factorise(matrix: Floats, size: int) -> None:
    """Turn I + Y V Y' into its Cholesky factor, with the inverse of its diagonal."""
    for row in range(size):
        for column in range(row + 1):
            entry = load(matrix, row * size + column) - _dot(matrix, row * size, matrix, column * size, column)
            if row == column:
                store(matrix, row * size + row, splat(1.0) / root(entry + splat(1.0)))
            else:
                store(matrix, row * size + column, entry * load(matrix, column * size + column))


@compiled
def _dot(first: Floats, start: int, second: Floats, other_start: int, size: int) -> Any:
    """Inner product of two rows of vectors."""
    product = splat(0.0)
    for place in range(size):
        product = product + load(first, start + place) * load(second, other_start + place)
    return product


@compiled
def _solve(work: Work) -> None:
    """Solve (I + Y V Y') u = Y V d."""
    size, matrix, solution = len(work.solution), work.matrix, work.solution
    _factorise(matrix, size)
    for row in range(size):
        known = load(work.apart, row) - _dot(matrix, row * size, solution, 0, row)
        store(solution, row, known * load(matrix, row * size + row))
    for row in range(size - 1, -1, -1):
        found = load(solution, row) * load(matrix, row * size + row)
        store(solution, row, found)
        for column in range(row):
            store(solution, column, load(solution, column) - load(matrix, row * size + column) * found)


@compiled
def _solve_singular(work: Work, shrunk: Floats) -> None:
    """Solve as above where there is shrinkage, else set u = -(Y Y')^+2 Y d."""
    size = len(work.solution)
    for lane in range(LANES):
        lower = np.tril(work.matrix[: size * size, lane].copy().reshape(size, size))
        values, vectors = np.linalg.eigh(lower)  # reads no more than the lower triangle
        inverse = np.zeros(size)
        for place in range(size):
            if shrunk[lane] > 0:
                inverse[place] = 1 / (1 + values[place])
            elif values[place] > ROUNDING * values[-1]:
                inverse[place] = -1 / values[place] ** 2
        work.solution[:, lane] = np.dot(vectors, inverse * np.dot(vectors.T, work.apart[:size, lane].copy()))


@compiled
def _score(work: Work, shrunk: Any, distance: Any, trials: Any, prior: Any, shown: Floats, signed: bool) -> Any:
    """Sum over the tested trials of a pair what they score: right or wrong, or the decision towards their own side.

    `distance` is d'V d, `trials` the number that trained, `prior` the logarithm of the ratio of the priors.
    """
    size, slots = len(work.solution), len(work.apart) // 2
    halfway = splat(0.5) * (shrunk * distance - _dot(work.apart, 0, work.solution, 0, size))
    summed = splat(0.0)
    tested = 2 * slots - size
    for test in range(tested):
        row = size + test
        along = shrunk * load(work.apart, row) - _dot(work.matrix, row * size, work.solution, 0, size)
        second = 2 * test >= tested
        decision = trials * (along + halfway if second else along - halfway) + prior
        if signed:
            score = decision if second else splat(0.0) - decision
        else:
            score = positive(decision) if second else splat(1.0) - positive(decision)
        summed = summed + load(shown, test) * score
    return summed


@compiled
def _decode_pairs(
    learned: Learned, home: int, place: int, tile: int, signed: bool, work: Work, score: Floats, usable: Floats
) -> None:
    """Decode one stimulus against eight others, whose inner products are known."""
    width = learned.present.shape[1]
    shown, shrunk = np.empty((2 * width, LANES)), np.empty((1, LANES))
    shown[:width] = learned.present[home][:, place : place + 1]
    shown[width:] = learned.present[tile]
    shrunk[0] = np.maximum(learned.shrunk[home, place], learned.shrunk[tile])
    distance = _assemble(work, len(work.solution) // 2)
    if shrunk.min() > 0:
        _solve(work)
    else:
        _solve_singular(work, shrunk[0])
    own_trained, trained = learned.trained[home, place], learned.trained[tile : tile + 1]
    counts = np.empty((2, LANES))
    counts[0] = trained[0] + own_trained
    counts[1] = np.log(np.maximum(trained[0], 1.0) / max(own_trained, 1.0))
    total = _score(work, load(shrunk, 0), distance, load(counts, 0), load(counts, 1), shown, signed)
    tests, own_tests = shown[width:].sum(axis=0), shown[:width].sum(axis=0)
    usable[0] = (tests * own_tests > 0) & (counts[0] >= 3)
    counts[1] = tests + own_tests
    store(score, 0, chosen(load(usable, 0), total / load(counts, 1)))


@compiled
def _decode_tiles(learned: Learned, home: int, tile: int, signed: bool, stimuli: int, work: Work, sums: Sums) -> None:
    """Decode eight stimuli against eight others."""
    score, usable = np.empty((1, LANES)), np.empty((1, LANES))
    _weigh(learned.spread[home], learned.spread[tile], work.weights)
    _weigh(learned.spread[tile], learned.spread[home], work.other_weights)
    for lane in range(LANES):
        _multiply_within(learned.rows[tile, lane], work.other_weights[lane], work.products, work.others[lane])
    for place in range(min(LANES, stimuli - home * LANES)):
        rows, weights = learned.rows[home, place], work.weights[place]
        _multiply_within(rows, weights, work.products, work.own)
        _multiply_between(rows, learned.columns[tile], weights, work)
        work.other[:] = work.others[:, :, place].T
        _decode_pairs(learned, home, place, tile, signed, work, score, usable)
        first = home * LANES + place
        start = first * (stimuli - 1) - first * (first - 1) // 2 - first - 1
        for second in range(max(first + 1, tile * LANES), min(stimuli, (tile + 1) * LANES)):
            sums.total[start + second] += score[0, second - tile * LANES]
            sums.folds[start + second] += usable[0, second - tile * LANES]


@compiled
def _decode_home(home: int, learned: Learned, signed: bool, stimuli: int, total: Floats, folds: Floats) -> None:
    """Decode the stimuli of a tile against those of their own and later tiles in one fold; add to the sums."""
    tiles, _, across, channels = learned.rows.shape
    work = _allocate(across, 2 * (across - 1 - learned.present.shape[1]), channels)
    for tile in range(home, tiles):
        _decode_tiles(learned, home, tile, signed, stimuli, work, Sums(total, folds))
