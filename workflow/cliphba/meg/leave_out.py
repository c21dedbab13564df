"""What one inverted matrix says of trials that are left out: the arithmetic of `lda`, for eight pairs at once.

The symbols are those of `cliphba.meg.lda`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cliphba.meg.compiling import compiled
from cliphba.meg.simd import LANES, chosen, largest, load, positive, root, splat, store

Floats = NDArray[np.float64]

BLOCK = 4  # rows eliminated together: as many as there are registers for


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


@compiled
def allocate(size: int, width: int) -> Work:
    """Make room for matrices of `size` rows, of which a fold leaves out `width`."""
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
def _raise(work: Work, power: int) -> None:
    """Multiply one power of M, applied to g, by M: the next."""
    size = len(work.present)
    for row in range(size):
        product = splat(0.0)
        for column in range(size):
            product = product + load(work.matrix, row * size + column) * load(work.powers, power * size + column)
        store(work.powers, (power + 1) * size + row, product)


@compiled
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


@compiled
def _dot(first: Floats, start: int, second: Floats, other_start: int, size: int) -> Any:
    """Inner product of two rows of vectors."""
    product = splat(0.0)
    for place in range(size):
        product = product + load(first, start + place) * load(second, other_start + place)
    return product


@compiled
def _slot(meeting: Meeting, place: int, fold: int) -> int:
    """Row of the matrix of a left-out slot: those of the one come first."""
    width = meeting.width
    return fold * width + place if place < width else meeting.slots + fold * width + place - width


@compiled
def raise_powers(work: Work) -> None:
    """Prepare an expansion to the third order: M M, and its powers on g."""
    _square(work)
    _raise(work, 2)
    _raise(work, 3)


@compiled
def distance(meeting: Meeting) -> Any:
    """Squared distance of the class means, d'd."""
    across = meeting.slots + 1
    corner, mean = across * across - 1, (meeting.place * across + meeting.slots) * across + meeting.slots
    within = splat(meeting.own[corner, meeting.place]) + load(meeting.other, corner)
    return within - splat(2.0) * load(meeting.cross, mean)


@compiled
def invert_about(meeting: Meeting, work: Work, ridge: Any) -> float:
    """Invert K + ridge; return the largest squared norm of the inverse."""
    _place(meeting, work)
    _lift(meeting, work, ridge)
    norm = _invert(work)
    _raise(work, 0)
    _raise(work, 1)
    return norm


@compiled
def expand(meeting: Meeting, work: Work, fold: int, order: int, ridge: Any, delta: Any) -> None:
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


@compiled
def explain(work: Work, order: int, delta: Any) -> Any:
    """Give g'M g, expanded in the ridge."""
    size, powers = len(work.present), work.powers
    explained = _dot(powers, 0, powers, size, size) - delta * _dot(powers, size, powers, size, size)
    if order == 3:
        third, fourth = _dot(powers, size, powers, 2 * size, size), _dot(powers, 2 * size, powers, 2 * size, size)
        explained = explained + delta * delta * (third - delta * fourth)
    return explained


@compiled
def solve(work: Work, width: int) -> Any:
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


@compiled
def score(meeting: Meeting, work: Work, fold: int, halfway: Any, bias: Any, out: Any, signed: bool) -> Any:
    """Sum over the left-out trials of what they score: right or wrong, or their signed distance.

    `halfway` is q / 2; `out` are ridge / (n - t) of both classes.
    """
    total = splat(0.0)
    for row in range(2 * meeting.width):
        projection = load(work.solution, row)
        if row < meeting.width:
            decision = projection - out[0] - halfway + bias
            points = splat(0.0) - decision if signed else splat(1.0) - positive(decision)
        else:
            decision = projection + out[1] + halfway + bias
            points = decision if signed else positive(decision)
        total = total + chosen(load(work.present, _slot(meeting, row, fold)), points)
    return total
