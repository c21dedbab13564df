"""Time-resolved pairwise decoding: how well the patterns of each pair of stimuli are told apart at each time point.

The classifier is linear discriminant analysis with a covariance shrunk towards a multiple of the identity, tested
on one session while the others train it: scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...)``.
With far fewer trials than sensors in a pair, all it needs is in the inner products of the trials. Let the rows of X
be the n training trials of a pair about their class means, d the difference of the means, and
lambda = shrinkage / (1 - shrinkage) tr(X X') / channels. Then (Woodbury) the inverse covariance is, up to a factor,
I - X' (X X' + lambda I)^-1 X, and with u = (X X' + lambda I)^-1 X d a pattern falls on the second stimulus' side
if d'z - u'X z + bias > 0, where z is the pattern seen from midway between the means.

Stimuli are laid out as a regular design of slots (session x repetition); a missing trial is a slot of zeros, which
changes nothing in this algebra. In the innermost loops one stimulus meets `LANES` others, which the compiler turns
into vector instructions; they are written out because array expressions would allocate memory there, seven times
slower.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cliphba.progress import track

LANES = 16  # a multiple of every vector width in use; more would fall out of the fastest cache
SHRINKAGE = 0.01 / 1.01  # adds 0.01 times the mean variance to the covariance, the convention of CoSMoMVPA

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Fused multiply-add is the one liberty taken: sums keep their order, so that results do not depend on threads.
_compiled = numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
_compiled_parallel = numba.njit(cache=True, fastmath={"contract"}, error_model="numpy", parallel=True)


class Design(NamedTuple):
    """Which trial stands in which slot, and what the slots do in each fold. Stimuli fill tiles of `LANES` in order.

    Attributes
    ----------
    trial : integer array (tiles, lanes, slots)
        Row of the epochs, -1 where there is none; slots are ordered by session, then repetition.
    present : float array (tiles, slots, lanes)
        1 where a slot holds a trial, else 0.
    training, test : integer arrays (folds, slots of that kind)
        The slots that train and those that test in each fold; a fold leaves out one session.
    training_count, test_count : float arrays (tiles, folds, lanes)
        Trials of each stimulus that train and that test in each fold.
    """

    trial: Integers
    present: Floats
    training: Integers
    test: Integers
    training_count: Floats
    test_count: Floats


def decode_rdm(
    epochs: NDArray[np.floating],
    *,
    stimulus: NDArray[np.integer],
    session: NDArray[np.integer],
    shrinkage: float = SHRINKAGE,
    threads: int = 1,
    label: str = "decode",
) -> NDArray[np.float32]:
    """Decode every pair of stimuli at every time point, leaving one session out at a time.

    A fold counts for a pair if both stimuli have trials in its session and in the others, with three or more training
    trials between them (two would not vary about their means).

    Parameters
    ----------
    epochs : float array (trials, channels, times)
        Sensor patterns, in any unit, with all channels on a comparable scale.
    stimulus : integer array (trials,)
        The stimulus of each trial, numbered 0, 1, ... without gaps.
    session : integer array (trials,)
        The session of each trial.
    shrinkage : float
        Weight of the identity in the covariance, between 0 and 1 (both excluded).
    threads : int
        Threads to use; the result does not depend on them.
    label : str
        What the progress bar says.

    Returns
    -------
    float32 array (times, pairs)
        Accuracy (0 to 1, chance 0.5), averaged over folds; pairs in strict upper-triangle order of the stimuli.

    Raises
    ------
    ValueError
        If the labels do not fit the epochs, or if a stimulus or a pair of them cannot be cross-validated.
    """
    stimuli = _check(epochs, stimulus=stimulus, session=session, shrinkage=shrinkage)
    design = _lay_out(stimulus, session)
    _check_pairs(design, stimuli)
    accuracy = np.empty((epochs.shape[2], stimuli * (stimuli - 1) // 2), dtype=np.float32)
    # BLAS runs inside each of our threads, on a few trials at a time: with threads of its own it would fight them.
    with _numba_threads(threads), threadpool_limits(limits=1, user_api="blas"):
        for time in track(range(epochs.shape[2]), label, unit="time point"):
            rows, columns = _arrange(epochs[:, :, time], design)
            _decode_time_point(rows, columns, design, shrinkage, stimuli, accuracy[time])
    return accuracy


def _check(
    epochs: NDArray[np.floating], *, stimulus: NDArray[np.integer], session: NDArray[np.integer], shrinkage: float
) -> int:
    """Return the number of stimuli, or say what is wrong with the input."""
    if epochs.ndim != 3 or not len(epochs) == len(stimulus) == len(session):
        raise ValueError(
            "epochs must be (trials, channels, times) with one stimulus and one session a trial: epochs have shape "
            f"{epochs.shape}, stimulus {stimulus.shape}, session {session.shape}."
        )
    if not np.isfinite(epochs).all():
        raise ValueError("epochs contain values that are not finite: drop those trials or channels first.")
    if not 0 < shrinkage < 1:
        raise ValueError(f"shrinkage must lie between 0 and 1, both excluded; it is {shrinkage}.")
    stimuli = int(stimulus.max(initial=-1)) + 1
    if stimuli < 2 or not np.array_equal(np.unique(stimulus), np.arange(stimuli)):
        raise ValueError("stimulus must number two or more stimuli 0, 1, ... without gaps: renumber those left.")
    sessions = np.bincount(np.unique(np.column_stack([stimulus, session]), axis=0)[:, 0])
    if (sessions < 2).any():
        raise ValueError(
            f"stimulus {int(np.argmax(sessions < 2))} has trials in fewer than two sessions, so that no session can "
            "be left out: leave this stimulus out, or reject fewer trials."
        )
    return stimuli


def _check_pairs(design: Design, stimuli: int) -> None:
    """Refuse a pair of stimuli without any usable fold."""
    usable = np.zeros((stimuli, stimuli), dtype=bool)
    for fold in range(len(design.training)):
        training = design.training_count[:, fold].ravel()[:stimuli]
        in_both = (training > 0) & (design.test_count[:, fold].ravel()[:stimuli] > 0)
        usable |= np.outer(in_both, in_both) & (np.add.outer(training, training) >= 3)
    if not usable[np.triu_indices(stimuli, 1)].all():
        first, second = np.argwhere(np.triu(~usable, 1))[0]
        raise ValueError(
            f"stimuli {first} and {second} share no session that can test both while the others hold three training "
            "trials: leave one of them out, or reject fewer trials."
        )


def _lay_out(stimulus: NDArray[np.integer], session: NDArray[np.integer]) -> Design:
    """Give every trial a slot: its session, and its rank among the trials of its stimulus there."""
    sessions, session_index = np.unique(session, return_inverse=True)
    cell = stimulus.astype(np.int64) * len(sessions) + session_index
    order = np.argsort(cell, kind="stable")
    repetition = np.empty(len(cell), dtype=np.int64)
    repetition[order] = np.arange(len(cell)) - np.searchsorted(cell[order], cell[order])
    slots = np.arange(len(sessions) * (int(repetition.max()) + 1)).reshape(len(sessions), -1)
    tiles = -(-(int(stimulus.max()) + 1) // LANES)
    trial = np.full((tiles * LANES, slots.size), -1)
    trial[stimulus, slots[session_index, repetition]] = np.arange(len(cell))
    lanes = trial.reshape(tiles, LANES, slots.size)
    present = np.ascontiguousarray((lanes >= 0).transpose(0, 2, 1), dtype=np.float64)
    training = np.stack([np.delete(slots, fold, axis=0).ravel() for fold in range(len(sessions))])
    counts = (np.ascontiguousarray(present[:, kind].sum(axis=2)) for kind in (training, slots))
    return Design(lanes, present, training, slots, *counts)


def _arrange(patterns: NDArray[np.floating], design: Design) -> tuple[Floats, Floats]:
    """Put trials into slots, as rows (stimuli, slots, channels) and columns (tiles, channels, slots x lanes)."""
    # The mean of all trials cancels in every difference: without it the inner products lose no digits.
    centred = patterns.astype(np.float64) - patterns.mean(axis=0, dtype=np.float64)
    tiles, lanes, slots = design.trial.shape
    # Index -1, an empty slot, finds the row of zeros appended here.
    filled = np.vstack([centred, np.zeros_like(centred[:1])])[design.trial]
    columns = filled.transpose(0, 3, 2, 1).reshape(tiles, -1, slots * lanes)
    return filled.reshape(tiles * lanes, slots, -1), np.ascontiguousarray(columns)


@contextmanager
def _numba_threads(threads: int) -> Iterator[None]:
    """Limit numba to some threads, and restore what was set before."""
    before = numba.get_num_threads()
    numba.set_num_threads(max(1, min(threads, before)))
    try:
        yield
    finally:
        numba.set_num_threads(before)


@_compiled
def _centre(
    gram: Floats,
    training: Integers,
    row_present: Floats,
    row_weight: Floats,
    present: Floats,
    weight: Floats,
    out: Floats,
) -> None:
    """Centre inner products of trials about their stimulus' training mean; the means' own come last."""
    slots, _, lanes = gram.shape
    mean = out[slots]
    mean[:] = 0
    for row in training:
        for column in range(slots):
            for lane in range(lanes):
                mean[column, lane] += gram[row, column, lane] * row_weight[lane]
    for row in range(slots):
        for column in range(slots):
            for lane in range(lanes):
                out[row, column, lane] = (gram[row, column, lane] - mean[column, lane]) * row_present[row, lane]
    for row in range(slots + 1):
        row_mean = out[row, slots]
        row_mean[:] = 0
        for column in training:
            for lane in range(lanes):
                row_mean[lane] += out[row, column, lane] * weight[lane]
        for column in range(slots):
            for lane in range(lanes):
                out[row, column, lane] = (out[row, column, lane] - row_mean[lane]) * present[column, lane]


@_compiled
def _assemble(own: Floats, others: Floats, cross: Floats, training: Integers, matrix: Floats) -> Floats:
    """Fill the lower triangle of X X' and, as its last row, X d; return the trace."""
    half, mean, lanes = len(training), len(own) - 1, cross.shape[2]
    trace = np.zeros(lanes)
    for row in range(half):
        for column in range(row + 1):
            for lane in range(lanes):
                matrix[row, column, lane] = own[training[row], training[column]]
                matrix[half + row, half + column, lane] = others[training[row], training[column], lane]
        for column in range(half):
            for lane in range(lanes):
                matrix[half + row, column, lane] = cross[training[column], training[row], lane]
        slot = training[row]
        for lane in range(lanes):
            trace[lane] += own[slot, slot] + others[slot, slot, lane]
            matrix[2 * half, row, lane] = cross[slot, mean, lane] - own[slot, mean]
            matrix[2 * half, half + row, lane] = others[slot, mean, lane] - cross[mean, slot, lane]
    return trace


@_compiled
def _factorise(matrix: Floats, ridge: Floats, inverse: Floats) -> None:
    """Turn X X' + ridge I into its Cholesky factor L, and the last row X d into L^-1 X d; keep 1 / diag(L) aside."""
    size, lanes = inverse.shape
    entry = np.empty(lanes)
    for row in range(size + 1):
        target = matrix[row]
        for column in range(min(row + 1, size)):
            factor = matrix[column]
            for lane in range(lanes):
                entry[lane] = target[column, lane]
            for inner in range(column):
                for lane in range(lanes):
                    entry[lane] -= target[inner, lane] * factor[inner, lane]
            if row == column:
                for lane in range(lanes):
                    inverse[column, lane] = 1 / np.sqrt(entry[lane] + ridge[lane])
            else:
                for lane in range(lanes):
                    target[column, lane] = entry[lane] * inverse[column, lane]


@_compiled
def _solve(matrix: Floats, ridge: Floats, solution: Floats) -> Floats:
    """Solve (X X' + ridge I) u = X d, in place; return (X d)'u."""
    size, lanes = solution.shape
    inverse, explained = np.empty((size, lanes)), np.zeros(lanes)
    _factorise(matrix, ridge, inverse)
    forward = matrix[size]
    for row in range(size):
        for lane in range(lanes):
            explained[lane] += forward[row, lane] * forward[row, lane]
    for row in range(size - 1, -1, -1):
        for lane in range(lanes):
            solution[row, lane] = forward[row, lane] * inverse[row, lane]
        for column in range(row):
            for lane in range(lanes):
                forward[column, lane] -= matrix[row, column, lane] * solution[row, lane]
    return explained


@_compiled
def _count_correct(
    own: Floats,
    others: Floats,
    cross: Floats,
    training: Integers,
    test: Integers,
    solution: Floats,
    bias: Floats,
    explained: Floats,
    own_present: Floats,
    present: Floats,
) -> Floats:
    """Count the test trials of both stimuli that fall on their own side."""
    half, mean, lanes = len(training), len(own) - 1, cross.shape[2]
    correct = np.zeros(lanes)
    score, other_score = np.empty(lanes), np.empty(lanes)
    for slot in test:
        for lane in range(lanes):
            # Half the squared distance of the means, in the metric of the classifier.
            apart = (own[mean, mean] + others[mean, mean, lane] - 2 * cross[mean, mean, lane] - explained[lane]) / 2
            score[lane] = cross[slot, mean, lane] - own[slot, mean] - apart + bias[lane]
            other_score[lane] = others[slot, mean, lane] - cross[mean, slot, lane] + apart + bias[lane]
        for row in range(half):
            train = training[row]
            for lane in range(lanes):
                score[lane] -= solution[row, lane] * own[train, slot]
                score[lane] -= solution[half + row, lane] * cross[slot, train, lane]
                other_score[lane] -= solution[row, lane] * cross[train, slot, lane]
                other_score[lane] -= solution[half + row, lane] * others[train, slot, lane]
        for lane in range(lanes):
            correct[lane] += own_present[slot] * (score[lane] < 0) + present[slot, lane] * (other_score[lane] > 0)
    return correct


@_compiled
def _decode_row(
    first: int, rows: Floats, columns: Floats, design: Design, own: Floats, shrinkage: float, accuracy: Floats
) -> None:
    """Decode one stimulus against all stimuli of its own and later tiles."""
    tiles, slots, lanes = design.present.shape
    home, place = first // lanes, first % lanes
    size = 2 * design.training.shape[1]
    matrix, solution = np.empty((size + 1, size, lanes)), np.empty((size, lanes))
    cross = np.empty((slots + 1, slots + 1, lanes))
    own_present = np.empty((slots, lanes))
    own_present[:] = design.present[home, :, place : place + 1]
    accuracy[:] = 0
    for tile in range(home, tiles):
        present = design.present[tile]
        gram = np.dot(rows[first], columns[tile]).reshape(slots, slots, lanes)
        folds = np.zeros(lanes)
        for fold in range(len(design.training)):
            training, test = design.training[fold], design.test[fold]
            own_count, count = design.training_count[home, fold, place], design.training_count[tile, fold]
            own_tested, tested = design.test_count[home, fold, place], design.test_count[tile, fold]
            own_weight = np.full(lanes, 1 / max(own_count, 1.0))
            _centre(gram, training, own_present, own_weight, present, 1 / np.maximum(count, 1), cross)
            own_first, others = own[home, fold, :, :, place], own[tile, fold]
            ridge = (
                _assemble(own_first, others, cross, training, matrix) * shrinkage / (1 - shrinkage) / rows.shape[2]
            )
            explained = _solve(matrix, ridge, solution)
            bias = ridge * (1 - shrinkage) / (own_count + count) * np.log(count / own_count)
            correct = _count_correct(
                own_first, others, cross, training, test, solution, bias, explained, own_present[:, 0], present
            )
            for lane in range(lanes):
                if min(own_count, count[lane], own_tested, tested[lane]) > 0 and own_count + count[lane] > 2:
                    accuracy[tile, lane] += correct[lane] / (own_tested + tested[lane])
                    folds[lane] += 1
        accuracy[tile] /= folds


@_compiled_parallel
def _decode_time_point(
    rows: Floats, columns: Floats, design: Design, shrinkage: float, stimuli: int, accuracy: NDArray[np.float32]
) -> None:
    """Decode all pairs at one time point, each stimulus against a tile of others at once."""
    tiles, slots, lanes = design.present.shape
    own = np.empty((tiles, len(design.training), slots + 1, slots + 1, lanes))
    for tile in numba.prange(tiles):
        present, gram = design.present[tile], np.empty((slots, slots, lanes))
        for lane in range(lanes):
            gram[:, :, lane] = np.dot(rows[tile * lanes + lane], rows[tile * lanes + lane].T)
        for fold in range(len(design.training)):
            weight = 1 / np.maximum(design.training_count[tile, fold], 1)
            _centre(gram, design.training[fold], present, weight, present, weight, own[tile, fold])
    # Rows of the triangle get shorter: a long one and a short one together make equal shares for the threads.
    for share in numba.prange(stimuli // 2):
        row = np.empty((tiles, lanes))
        for mirrored in range(2):
            first = int(stimuli - 2 - share if mirrored else share)
            _decode_row(first, rows, columns, design, own, shrinkage, row)
            start = first * (stimuli - 1) - first * (first - 1) // 2
            accuracy[start : start + stimuli - 1 - first] = row.ravel()[first + 1 : stimuli]
