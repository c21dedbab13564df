"""Linear discriminant analysis of every pair of stimuli in torch, for a GPU: the measure of `cliphba.meg.lda`.

The mathematics, and the letters for it, are those of `cliphba.meg.lda`; what differs is the order of the work. Whole
blocks of the triangle of pairs are computed at once: the trials' inner products by one matrix product, all else by
batched products of the pairs' small matrices. All folds' M are expanded in delta to the third order, since that costs
a few products more, while asking which pair needs it would hold up the device. The (pair, fold)s for which that is
not enough are decoded again in the end, with the ridge of their own fold.

The axes of what is computed for pairs are (pairs, folds, classes, repetitions), in part or all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba.meg.design import Design
from cliphba.meg.lda import LARGEST_ERROR, lay_out
from cliphba.meg.measure import Measure, Sums

WORK_MEMORY = 2**31  # bytes: some ten thousand pairs at once, to keep a GPU busy; a small one has as much
MATRICES = 12  # as large as a pair's that are in memory at once, and a little more


class _Classifier(NamedTuple):
    """Settings: weight of the identity, and whether decision values are asked for instead of right or wrong."""

    shrinkage: float
    signed: bool


class _Slots(NamedTuple):
    """Where trials stand: the slots of every stimulus are ordered by fold, then repetition.

    Attributes
    ----------
    trial : (stimuli, slots)
        Row of the patterns, -1 where there is none.
    present : (stimuli, folds, repetitions)
        1 where a slot holds a trial, else 0.
    meaningless : (stimuli, slots, slots)
        Projection onto the directions along which trials about their mean cannot vary: the mean, and empty slots.
    tested : (stimuli, folds)
        Trials that each fold tests.
    """

    trial: Tensor
    present: Tensor
    meaningless: Tensor
    tested: Tensor


class _Stimuli(NamedTuple):
    """Trials of every stimulus at one time point.

    Attributes
    ----------
    rows : (stimuli, slots + 1, channels)
        The trials about their mean, and the mean.
    products : (stimuli, slots + 1, slots + 1)
        Inner products of the rows.
    trace : (stimuli,)
        Sum of squares of all trials about their mean.
    lost : (stimuli, folds)
        How much smaller that sum is for the training trials of a fold, about their own mean.
    """

    rows: Tensor
    products: Tensor
    trace: Tensor
    lost: Tensor


class _Pairs(NamedTuple):
    """Some pairs of stimuli, and which folds to decode them in.

    Attributes
    ----------
    members : (pairs, 2)
        Numbers of the two stimuli.
    cross : (pairs, slots + 1, slots + 1)
        Inner products of the first one's rows with the second one's.
    folds : (1, folds) or (pairs, folds)
        Numbers of the folds, the same for all pairs or not.
    """

    members: Tensor
    cross: Tensor
    folds: Tensor


class _Folds(NamedTuple):
    """What a pair's folds hold.

    Attributes
    ----------
    ridge : (pairs, folds)
        That of the fold's training trials.
    present : (pairs, folds, 2, repetitions)
        1 where a slot of the left-out trials holds one, else 0.
    tested, trained : (pairs, folds, 2)
        Left-out and training trials of both stimuli.
    usable : boolean (pairs, folds)
        Whether the fold counts.
    """

    ridge: Tensor
    present: Tensor
    tested: Tensor
    trained: Tensor
    usable: Tensor


class _Inverse(NamedTuple):
    """What the inverse M at the mean ridge is used for.

    Attributes
    ----------
    matrix : (pairs, size, size)
        M on the complement of the directions without meaning.
    towards : (pairs, size)
        g.
    distance : (pairs,)
        d'd.
    """

    matrix: Tensor
    towards: Tensor
    distance: Tensor


class _LeftOut(NamedTuple):
    """What M says about the trials that a fold leaves out, at the ridge of that fold.

    Attributes
    ----------
    matrix : (pairs, folds, left out, left out)
        R, zero for empty slots.
    towards : (pairs, folds, left out)
        h.
    explained : (pairs, folds)
        g'M g.
    """

    matrix: Tensor
    towards: Tensor
    explained: Tensor


def prepare_lda_torch(
    design: Design, *, shrinkage: float, value: Literal["accuracy", "decision"] = "accuracy", device: str
) -> Measure:
    """Make the measure that decodes every pair of stimuli by linear discriminant analysis, computed in torch.

    The measure is that of `cliphba.meg.lda.prepare_lda`, in the same precision.

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
    device
        Where torch computes: ``cuda``, or ``cpu``, which is slower than `prepare_lda`.

    Raises
    ------
    ValueError
        If the shrinkage is out of range.
    """
    if not 0 < shrinkage < 1:
        raise ValueError(f"shrinkage must lie between 0 and 1, both excluded; it is {shrinkage}")
    slots = _lay_out_tensors(design, device)
    members = torch.triu_indices(design.stimuli, design.stimuli, 1, device=device).T
    classifier = _Classifier(shrinkage, value == "decision")

    def measure(patterns: NDArray[np.floating], folds: NDArray[np.int64]) -> Sums:
        # a copy, which torch may write to; it is made double precision where that is fast
        stimuli = _arrange(torch.as_tensor(np.array(patterns), device=device).double(), slots)
        asked = torch.as_tensor(folds, device=device)[None]
        total, usable = _decode_time_point(stimuli, slots, members, asked, classifier)
        return Sums(total.cpu().numpy(), usable.cpu().numpy())

    return measure


def _lay_out_tensors(design: Design, device: str) -> _Slots:
    """Put the layout of the design onto the device, one stimulus after the other."""
    layout = lay_out(design)
    trial = torch.as_tensor(layout.trial.reshape(-1, layout.trial.shape[-1])[: design.stimuli], device=device)
    held = (trial >= 0).double()
    means = held[:, :, None] * held[:, None] / held.sum(dim=1)[:, None, None]
    present = held.unflatten(1, (design.folds, -1))
    return _Slots(trial, present, means + torch.diag_embed(1 - held), present.sum(dim=2))


def _arrange(patterns: Tensor, slots: _Slots) -> _Stimuli:
    """Put trials about their stimulus' mean into slots, the mean itself last, and multiply them with each other."""
    # the mean of all trials cancels in every difference: without it the inner products lose no digits
    centred = patterns - patterns.mean(dim=0)
    # index -1, an empty slot, finds the row of zeros appended here
    trials = torch.cat([centred, torch.zeros_like(centred[:1])])[slots.trial]
    count = slots.tested.sum(dim=1, keepdim=True)
    means = trials.sum(dim=1) / count
    rows = torch.cat([trials - means[:, None] * slots.present.flatten(1)[..., None], means[:, None]], dim=1)
    products = rows @ rows.mT
    shape = slots.present.shape[1:]
    in_folds = products[:, :-1, :-1].unflatten(2, shape).unflatten(1, shape).diagonal(dim1=1, dim2=3)
    within = in_folds.diagonal(dim1=1, dim2=2).sum(dim=-1)
    lost = within + in_folds.sum(dim=(1, 2)) / (count - slots.tested)
    return _Stimuli(rows, products, within.sum(dim=1), lost)


def _decode_time_point(
    stimuli: _Stimuli, slots: _Slots, members: Tensor, folds: Tensor, classifier: _Classifier
) -> tuple[Tensor, Tensor]:
    """Decode all pairs: sums over folds, and how many folds were usable."""
    numbers = MATRICES * (2 * slots.trial.shape[1]) ** 2
    blocks = (
        _decode_block(_Pairs(block, cross, folds), stimuli, slots, classifier)
        for block, cross in _blocks(stimuli.rows, members, _pairs_at_once(numbers))
    )
    total, usable, failed = (torch.cat(each) for each in zip(*blocks, strict=True))
    # only here does the processor wait for the device
    pair, place = failed.nonzero(as_tuple=True)
    at_once = _pairs_at_once(numbers + 2 * stimuli.rows[0].numel())
    for start in range(0, len(pair), at_once):
        again, fold = pair[start : start + at_once], folds[0, place[start : start + at_once]]
        chosen = members[again]
        cross = stimuli.rows[chosen[:, 0]] @ stimuli.rows[chosen[:, 1]].mT
        missing, _, _ = _decode_block(_Pairs(chosen, cross, fold[:, None]), stimuli, slots, classifier)
        total.index_put_((again,), missing, accumulate=True)
    return total, usable


def _pairs_at_once(numbers: int) -> int:
    """How many pairs fit into the work memory if each takes so many numbers."""
    return max(1, WORK_MEMORY // (8 * numbers))


def _blocks(rows: Tensor, members: Tensor, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through the triangle, some whole rows of it at a time: members and cross products of their pairs."""
    stimuli, across, _ = rows.shape
    start = first = 0
    while first < stimuli - 1:
        last = min(first + max(1, at_once // (stimuli - first - 1)), stimuli - 1)
        stop = start + sum(range(stimuli - last, stimuli - first))
        products = rows[first:last].flatten(0, 1) @ rows[first + 1 :].flatten(0, 1).T
        products = products.view(last - first, across, -1, across).transpose(1, 2)
        block = members[start:stop]
        yield block, products[block[:, 0] - first, block[:, 1] - first - 1]
        start, first = stop, last


def _decode_block(
    pairs: _Pairs, stimuli: _Stimuli, slots: _Slots, classifier: _Classifier
) -> tuple[Tensor, Tensor, Tensor]:
    """Decode pairs in their folds.

    Returns
    -------
    total, usable : (pairs,)
        Sum over the usable folds, without those that failed, and how many are usable.
    failed : boolean (pairs, folds)
        Usable folds whose ridge is too far from the mean ridge; never so where there is a single fold.
    """
    folds = _look_up(pairs, stimuli, slots, classifier.shrinkage)
    mean_ridge = folds.ridge.mean(dim=1)
    delta = folds.ridge - mean_ridge[:, None]
    inverse = _invert(pairs, stimuli, slots, mean_ridge)
    error = (delta * torch.linalg.matrix_norm(inverse.matrix)[:, None]) ** 2
    failed = folds.usable & ~(error**2 < LARGEST_ERROR) & (delta.shape[1] > 1)
    left_out = _leave_out(inverse, delta, pairs.folds, slots.present.shape[1:])
    score = _score(left_out, inverse.distance, folds, classifier)
    total = torch.where(folds.usable & ~failed, score, 0).sum(dim=1)
    return total, folds.usable.sum(dim=1).double(), failed


def _look_up(pairs: _Pairs, stimuli: _Stimuli, slots: _Slots, shrinkage: float) -> _Folds:
    """Collect what the pairs' folds hold."""
    each, fold = pairs.members[:, None], pairs.folds[..., None]
    per_trace = shrinkage / (1 - shrinkage) / stimuli.rows.shape[2]
    ridge = per_trace * (stimuli.trace[each] - stimuli.lost[each, fold]).sum(dim=2)
    tested = slots.tested[each, fold]
    trained = slots.tested.sum(dim=1)[each] - tested
    usable = (tested > 0).all(dim=2) & (trained.sum(dim=2) > 2)
    return _Folds(ridge, slots.present[each, fold], tested, trained, usable)


def _invert(pairs: _Pairs, stimuli: _Stimuli, slots: _Slots, ridge: Tensor) -> _Inverse:
    """Invert the inner products of the pairs' trials plus a ridge (pairs,)."""
    first, second = (stimuli.products[each] for each in pairs.members.T)
    meaningless = [slots.meaningless[each] for each in pairs.members.T]
    half = first.shape[1] - 1
    # as large as the trials' squares are on average
    lift = stimuli.trace[pairs.members].sum(dim=1) / slots.tested.sum(dim=1)[pairs.members].sum(dim=1)
    # the upper triangle is never read
    matrix = first.new_empty(len(first), 2 * half, 2 * half)
    matrix[:, :half, :half] = first[:, :-1, :-1]
    matrix[:, half:, half:] = second[:, :-1, :-1]
    matrix[:, half:, :half] = pairs.cross[:, :-1, :-1].mT
    _add(matrix, meaningless, lift)
    matrix.diagonal(dim1=1, dim2=2).add_(ridge[:, None])
    inverse = _invert_positive(matrix)
    _add(inverse, meaningless, -1 / (ridge + lift))
    towards = (pairs.cross[:, :-1, -1] - first[:, :-1, -1], second[:, :-1, -1] - pairs.cross[:, -1, :-1])
    distance = first[:, -1, -1] + second[:, -1, -1] - 2 * pairs.cross[:, -1, -1]
    return _Inverse(inverse, torch.cat(towards, dim=1), distance)


def _add(matrix: Tensor, own: list[Tensor], weight: Tensor) -> None:
    """Add a matrix for each stimulus of a pair to its own block, weighted (pairs,)."""
    half = matrix.shape[1] // 2
    matrix[:, :half, :half].addcmul_(own[0], weight[:, None, None])
    matrix[:, half:, half:].addcmul_(own[1], weight[:, None, None])


def _invert_positive(matrix: Tensor) -> Tensor:
    """Invert symmetric matrices (pairs, size, size) of which the lower triangle is given."""
    # `cholesky` would wait for the device, to see whether it failed; `cholesky_inverse` goes from pair to pair
    factor, _ = torch.linalg.cholesky_ex(matrix)
    identity = torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device)
    root = torch.linalg.solve_triangular(factor, identity, upper=False)
    inverse: Tensor = root.mT @ root
    return inverse


def _leave_out(inverse: _Inverse, delta: Tensor, folds: Tensor, shape: tuple[int, ...]) -> _LeftOut:
    """Expand R, h and g'M g in the ridge, which is `delta` (pairs, folds) above its mean.

    `shape` is that of the slots of a stimulus: folds, repetitions.
    """
    matrix, towards = inverse.matrix, inverse.towards[..., None]
    square = matrix @ matrix
    first = matrix @ towards
    second = matrix @ first
    powers = torch.cat([first, second, square @ torch.cat([first, second], dim=2)], dim=2)
    series = torch.stack([torch.ones_like(delta), -delta, delta**2, -(delta**3)], dim=2)
    explained = (series * (towards.mT @ powers)).sum(dim=2)
    found = (_rows(powers, folds, shape) * series[:, :, None]).sum(dim=3)
    change = delta[..., None, None]
    squared = _rows(square, folds, shape)
    tilted = torch.addcmul(_rows(matrix, folds, shape), change, squared, value=-1)
    # only products within a fold are needed, but alone they would be very many very small matrices
    higher = tilted.flatten(1, 2) @ squared.flatten(1, 2).mT
    higher = higher.unflatten(2, squared.shape[1:3]).unflatten(1, squared.shape[1:3]).diagonal(dim1=1, dim2=3)
    lower = _corners(matrix, folds, shape) - change * _corners(square, folds, shape)
    return _LeftOut(lower + change**2 * higher.movedim(3, 1), found, explained)


def _rows(matrix: Tensor, folds: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Take the left-out slots' rows out of (pairs, size, columns): (pairs, folds, left out, columns)."""
    pair = torch.arange(len(matrix), device=matrix.device)[:, None]
    rows: Tensor = matrix.unflatten(1, (2, *shape))[pair, :, folds].flatten(2, 3)
    return rows


def _corners(matrix: Tensor, folds: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Take the left-out slots' rows and columns out of (pairs, size, size): (pairs, folds, left out, left out)."""
    pair = torch.arange(len(matrix), device=matrix.device)[:, None]
    in_slots = matrix.unflatten(2, (2, *shape)).unflatten(1, (2, *shape))
    corners: Tensor = in_slots[pair, :, folds, :, :, folds].flatten(4, 5).flatten(2, 3)
    return corners


def _score(left_out: _LeftOut, distance: Tensor, folds: _Folds, classifier: _Classifier) -> Tensor:
    """Mean over the left-out trials of what they score, right or wrong or their signed decision: (pairs, folds)."""
    present = folds.present.flatten(2)
    # -1 for the first class, 1 for the second; made on the device, because a copy would wait for it
    side = torch.arange(-1, 2, 2, dtype=present.dtype, device=present.device)
    inverse_count = 1 / (folds.tested + folds.trained)
    start = left_out.towards.unflatten(2, folds.present.shape[2:]) - (side * inverse_count)[..., None]
    start = start.flatten(2) * present
    solution = _solve(left_out.matrix + torch.diag_embed(1 - present), start)
    out = folds.ridge[..., None] / folds.trained
    outside = (out * folds.tested * inverse_count).sum(dim=2)
    halfway = (distance[:, None] - left_out.explained - outside + (start * solution).sum(dim=2)) / 2
    scale = folds.ridge * (1 - classifier.shrinkage) / folds.trained.sum(dim=2)
    bias = scale * folds.trained.log().diff(dim=2)[..., 0]
    offset = side * (out + halfway[..., None]) + bias[..., None]
    decision = solution.unflatten(2, folds.present.shape[2:]) + offset[..., None]
    if classifier.signed:
        right = decision * side[:, None] / scale[..., None, None]
    else:
        right = ((decision > 0) == (side[:, None] > 0)).double()
    score: Tensor = (right * folds.present).sum(dim=(2, 3)) / folds.tested.sum(dim=2)
    return score


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve very many small positive definite systems (..., n, n) for (..., n), by Gauss-Jordan elimination."""
    system = torch.cat([matrix, right[..., None]], dim=-1)
    for step in range(right.shape[-1]):
        row = system[..., step, :] / system[..., step, step, None]
        column = system[..., step].clone()
        column[..., step] = 0
        system[..., step, :] = row
        system.addcmul_(column[..., None], row[..., None, :], value=-1)
    return system[..., -1]
