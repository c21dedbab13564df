"""Linear support vector machines for all pairs of stimuli: what scikit-learn's ``SVC(kernel="linear")`` decides.

libsvm, which scikit-learn calls, stops once the optimum is near, so that where it stops depends on the way it went.
To decide alike, this goes the same way: pairs of trials are chosen by second-order information (Fan, Chen & Lin 2005)
and optimised one after the other, with libsvm's stopping rule, shrinking and bias (Chang & Lin 2011), on inner
products rounded to single precision. No compiler liberty is taken, so that most results agree to the last digits.

Coefficients carry the sign of their class, as in Bottou & Lin (2007): one of the first stimulus lies between 0 and
the cost, one of the second between -cost and 0. A trial that is tested is pinned at 0. The residual of a trial is its
class (1 or -1) less the inner product of its pattern and the weights: bias apart, what it is short of its margin.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cliphba.meg.compiling import compiled_exactly
from cliphba.meg.design import Design
from cliphba.meg.measure import Measure, Sums, check_patterns
from cliphba.meg.threads import share_out

TOLERANCE = 1e-3  # largest violation of optimality that is left, as in libsvm
SMALLEST_CURVATURE = 1e-12  # stands in for that of two trials alike, as in libsvm
MOST_STEPS = 10_000_000  # where libsvm gives up

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Trials(NamedTuple):
    """Trials ordered by stimulus; within a stimulus they keep their order.

    Attributes
    ----------
    start : integer array (stimuli + 1,)
        Where the trials of each stimulus start.
    fold : integer array (trials,)
        The fold that tests each trial.
    counts : integer array (stimuli, folds)
        Trials of each stimulus that each fold tests.
    """

    start: Integers
    fold: Integers
    counts: Integers


class Pair(NamedTuple):
    """The trials of two stimuli, those of the first before those of the second.

    Attributes
    ----------
    gram : float64 array (trials, trials)
        Inner products.
    rounded : float32 array (trials, trials)
        The same as libsvm keeps them.
    square : float64 array (trials,)
        Inner product of each trial with itself.
    side : float64 array (trials,)
        1 for the first stimulus, -1 for the second.
    fold : integer array (trials,)
        The fold that tests each trial.
    """

    gram: Floats
    rounded: NDArray[np.float32]
    square: Floats
    side: Floats
    fold: Integers


class State(NamedTuple):
    """What is known of each trial during training; all arrays are (trials,).

    Attributes
    ----------
    coefficient, lower, upper : float64 arrays
        Of the trial's pattern in the weights, and between which values.
    residual : float64 array
        Class less the inner product with the weights.
    shrunk : boolean array
        Set aside because it is believed to stay at its bound.
    """

    coefficient: Floats
    lower: Floats
    upper: Floats
    residual: Floats
    shrunk: NDArray[np.bool_]


def prepare_svm(design: Design, *, cost: float, value: Literal["accuracy", "decision"], threads: int) -> Measure:
    """Prepare to classify the trials of each pair of stimuli by a linear support vector machine.

    The classifier is libsvm's (Chang & Lin 2011), as ``sklearn.svm.SVC(kernel="linear", C=cost)`` trains it on the
    pair's trials outside the fold, with the smaller stimulus number as first class.

    Parameters
    ----------
    design
        Which trials train and which test.
    cost
        Weight of a trial's shortfall of its margin against the width of the margin (C), above 0. Patterns are taken
        as they are: what it means depends on their scale.
    value
        ``accuracy``: share of a fold's trials of both stimuli that are classified right (0 to 1, chance 0.5).
        ``decision``: mean over these trials of the decision value, positive on the side of a trial's own stimulus
        (0 on the boundary, 1 on the margin).
    threads
        Threads to use; the result does not depend on them.

    Returns
    -------
    Measure
        Takes patterns (trials, channels) and folds; raises ValueError for patterns that do not fit the design or
        are not finite.

    Raises
    ------
    ValueError
        If the cost is not above 0.
    """
    if not 0 < cost < np.inf:
        raise ValueError(f"cost must be a finite number above 0; it is {cost}")
    order = np.argsort(design.stimulus, kind="stable")
    trials = Trials(np.append(0, np.cumsum(design.counts.sum(axis=1))), design.fold[order], design.counts)

    def measure(patterns: NDArray[np.floating], folds: Integers) -> Sums:
        check_patterns(patterns, design)
        rows = np.ascontiguousarray(patterns[order], dtype=np.float64)
        pairs = design.stimuli * (design.stimuli - 1) // 2
        sums = Sums(np.zeros(pairs), np.zeros(pairs))
        start, stimuli = trials.start, design.stimuli
        own = np.empty((len(rows), int(np.diff(start).max())))

        def classify(first: int) -> None:
            begin = first * (stimuli - 1) - first * (first - 1) // 2
            row = Sums(*(values[begin : begin + stimuli - 1 - first] for values in sums))
            _classify_row(first, rows, own, trials, folds, cost, value == "accuracy", row)

        share_out(lambda stimulus: _fill_own(stimulus, rows, start, own), stimuli, threads=threads)
        # the first stimuli have the most others to meet
        share_out(classify, stimuli - 1, threads=threads)
        return sums

    return measure


@compiled_exactly
def _last_highest(values: Floats) -> int:
    """Find the highest value, of equal ones the last."""
    highest, place = -np.inf, -1
    for trial in range(len(values)):
        if values[trial] >= highest:
            highest, place = values[trial], trial
    return place


@compiled_exactly
def _extremes(state: State) -> tuple[float, float]:
    """Find the highest residual that can raise its coefficient, and the lowest that can lower it."""
    highest, lowest = -np.inf, np.inf
    for trial in range(len(state.residual)):
        if not state.shrunk[trial]:
            if state.coefficient[trial] < state.upper[trial]:
                highest = max(highest, state.residual[trial])
            if state.coefficient[trial] > state.lower[trial]:
                lowest = min(lowest, state.residual[trial])
    return highest, lowest


@compiled_exactly
def _choose(pair: Pair, state: State, score: Floats) -> tuple[int, int]:
    """Choose which coefficient to raise and which to lower by as much; the latter is -1 where training is done."""
    for trial in range(len(score)):
        rises = state.coefficient[trial] < state.upper[trial] and not state.shrunk[trial]
        score[trial] = state.residual[trial] if rises else -np.inf
    raised = _last_highest(score)
    highest, lowest = score[raised], np.inf
    near, square = pair.rounded[raised], pair.square[raised]
    for trial in range(len(score)):
        falls = state.coefficient[trial] > state.lower[trial] and not state.shrunk[trial]
        lowest = min(lowest, state.residual[trial] if falls else np.inf)
        ahead = highest - state.residual[trial]
        curvature = square + pair.square[trial] - 2.0 * near[trial]
        gain = ahead * ahead / (curvature if curvature > 0 else SMALLEST_CURVATURE)
        score[trial] = gain if falls and ahead > 0 else -np.inf
    return raised, _last_highest(score) if highest - lowest >= TOLERANCE else -1


@compiled_exactly
def _step(pair: Pair, state: State, raised: int, lowered: int) -> None:
    """Raise one coefficient and lower another, to the optimum of the two or to the first bound."""
    coefficient, upper, lower = state.coefficient, state.upper[raised], state.lower[lowered]
    before, other_before = coefficient[raised], coefficient[lowered]
    curvature = pair.square[raised] + pair.square[lowered] - 2.0 * pair.rounded[raised, lowered]
    step = (state.residual[raised] - state.residual[lowered]) / (curvature if curvature > 0 else SMALLEST_CURVATURE)
    coefficient[raised] += step
    coefficient[lowered] -= step
    # The sum stays. Taking the other coefficient from it, not from the step, lets both meet their bounds exactly.
    total = before + other_before
    if total > upper + lower:
        if coefficient[raised] > upper:
            coefficient[raised], coefficient[lowered] = upper, total - upper
    elif coefficient[lowered] < lower:
        coefficient[raised], coefficient[lowered] = total - lower, lower
    rise, fall = coefficient[raised] - before, coefficient[lowered] - other_before
    for trial in range(len(coefficient)):
        state.residual[trial] -= rise * pair.rounded[raised, trial] + fall * pair.rounded[lowered, trial]


@compiled_exactly
def _shrink(state: State, released: bool) -> bool:
    """Set aside what seems settled at a bound; close to the optimum, release all once; return whether that was."""
    highest, lowest = _extremes(state)
    if not released and highest - lowest <= 10 * TOLERANCE:
        released = True
        state.shrunk[:] = False
    for trial in range(len(state.shrunk)):
        at_upper = state.coefficient[trial] >= state.upper[trial]
        at_lower = state.coefficient[trial] <= state.lower[trial]
        if (at_upper and state.residual[trial] > highest) or (at_lower and state.residual[trial] < lowest):
            state.shrunk[trial] = True
    return released


@compiled_exactly
def _optimise(pair: Pair, state: State, training: int) -> None:
    """Find the coefficients, given how many trials train."""
    score = np.empty(len(pair.side))
    released, wait = False, training + 1
    for _ in range(MOST_STEPS):
        wait -= 1
        if wait == 0:
            released, wait = _shrink(state, released), training
        raised, lowered = _choose(pair, state, score)
        if lowered < 0:
            # Done with the trials not set aside; they may have been set aside wrongly.
            state.shrunk[:] = False
            raised, lowered = _choose(pair, state, score)
            if lowered < 0:
                return
            wait = 1
        _step(pair, state, raised, lowered)


@compiled_exactly
def _bias(state: State) -> float:
    """Put trials between their bounds on the margin; without any, halve the range that the bounds leave."""
    total, free = 0.0, 0
    for trial in range(len(state.residual)):
        if state.lower[trial] < state.coefficient[trial] < state.upper[trial]:
            total += state.residual[trial]
            free += 1
    highest, lowest = _extremes(state)
    return total / free if free > 0 else (highest + lowest) / 2


@compiled_exactly
def _start(pair: Pair, fold: int, cost: float) -> State:
    """Start with weights of zero; the fold's trials are pinned there."""
    trials = len(pair.side)
    lower, upper = np.zeros(trials), np.zeros(trials)
    for trial in range(trials):
        if pair.fold[trial] != fold:
            lower[trial], upper[trial] = min(cost * pair.side[trial], 0.0), max(cost * pair.side[trial], 0.0)
    return State(np.zeros(trials), lower, upper, pair.side.copy(), np.zeros(trials, np.bool_))


@compiled_exactly
def _test(pair: Pair, fold: int, coefficient: Floats, bias: float, accuracy: bool) -> float:
    """Average over the fold's trials whether each is right, or its decision value towards its own side."""
    total, tested = 0.0, 0
    for trial in range(len(coefficient)):
        if pair.fold[trial] == fold:
            decision = bias
            for other in range(len(coefficient)):
                decision += coefficient[other] * pair.gram[trial, other]
            # On the boundary libsvm decides for the second stimulus.
            right = (decision > 0) == (pair.side[trial] > 0)
            total += right if accuracy else decision * pair.side[trial]
            tested += 1
    return total / tested


@compiled_exactly
def _pair_up(first: int, second: int, own: Floats, cross: Floats, trials: Trials) -> Pair:
    """Collect what two stimuli need: inner products within both (trials, trials) and between them (first, second)."""
    start, other_start, end = trials.start[first], trials.start[second], trials.start[second + 1]
    half, count = cross.shape[0], cross.shape[0] + end - other_start
    gram, side, fold = np.empty((count, count)), np.ones(count), np.empty(count, np.int64)
    gram[:half, :half] = own[start : start + half, :half]
    gram[half:, half:] = own[other_start:end, : count - half]
    gram[:half, half:] = cross
    gram[half:, :half] = cross.T
    side[half:] = -1
    fold[:half], fold[half:] = trials.fold[start : start + half], trials.fold[other_start:end]
    return Pair(gram, gram.astype(np.float32), np.diag(gram).copy(), side, fold)


@compiled_exactly
def _classify_row(
    first: int, rows: Floats, own: Floats, trials: Trials, folds: Integers, cost: float, accuracy: bool, sums: Sums
) -> None:
    """Add to the sums of the pairs that one stimulus forms with all later ones."""
    start, counts = trials.start, trials.counts
    gram = np.dot(rows[start[first] : start[first + 1]], rows[start[first + 1] :].T)
    for second in range(first + 1, len(counts)):
        left, right = start[second] - start[first + 1], start[second + 1] - start[first + 1]
        pair = _pair_up(first, second, own, gram[:, left:right], trials)
        for fold in folds:
            tested, other_tested = counts[first, fold], counts[second, fold]
            training, other_training = gram.shape[0] - tested, right - left - other_tested
            if min(tested, other_tested, training, other_training) > 0:
                state = _start(pair, fold, cost)
                _optimise(pair, state, training + other_training)
                sums.total[second - first - 1] += _test(pair, fold, state.coefficient, _bias(state), accuracy)
                sums.folds[second - first - 1] += 1


@compiled_exactly
def _fill_own(stimulus: int, rows: Floats, start: Integers, own: Floats) -> None:
    """Inner products among the trials of a stimulus."""
    block = rows[start[stimulus] : start[stimulus + 1]]
    own[start[stimulus] : start[stimulus + 1], : len(block)] = np.dot(block, block.T)
