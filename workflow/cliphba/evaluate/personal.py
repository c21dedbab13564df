"""Is a personal model the model of its own person? Identification of participants by their models.

M[p, q] is how well the model of p predicts the brain of q. Double-centring removes how good a model is for anyone
(rows) and how clean a person's data are (columns); what is left on the diagonal is personal. Under the null
hypothesis any assignment of participants to models is as good as the true one, which gives an exact test.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cliphba.evaluate import permutation
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate, Reals

#: All assignments are tried where there are no more than this, else as many random ones.
RANDOM_PERMUTATIONS = 10_000
#: 4! assignments are the first that reach a p of 0.05.
LEAST_PARTICIPANTS = 4
ROUNDING = 1e-9


class Identification(NamedTuple):
    """Result of `identify`, each shaped as the leading axes of its matrices."""

    accuracy: Reals
    accuracy_p: Reals
    margin: Reals
    margin_p: Reals


def similarity(alignments: Alignments) -> Estimate:
    """Mean alignment after onset of each participant's model with each participant: (models, participants).

    Parameters
    ----------
    alignments
        With one model a participant, named as the participant.

    Raises
    ------
    ValueError
        If a participant has no model.
    """
    response = alignments.times_ms > 0
    return alignments.personal().map(lambda rho: rho[..., response].mean(-1))


def double_centre(matrix: Reals) -> Reals:
    """Subtract the means of rows and columns from matrices (..., n, n)."""
    rows: Reals = matrix - matrix.mean(-1, keepdims=True)
    centred: Reals = rows - rows.mean(-2, keepdims=True)
    return centred


def row_maxima(centred: Reals) -> Reals:
    """1 where a cell (..., n, n) is the one greatest of its row, else 0; a row with a tie has none."""
    greatest = np.equal(centred, centred.max(-1, keepdims=True))
    alone = greatest.sum(-1, keepdims=True) == 1
    return np.where(alone, greatest, False).astype(np.float64)


def ranks(matrix: Reals) -> Reals:
    """Rank of each cell (..., n, n) in its row, double-centred: 1 is the greatest, ties share their mean."""
    return np.asarray(rankdata(-double_centre(matrix), axis=-1))


def accuracy(matrix: Reals) -> Reals:
    """Share of models that, double-centred, fit their own participant best: (..., n, n) to (...)."""
    return _diagonal_mean(row_maxima(double_centre(matrix)))


def margin(matrix: Reals) -> Reals:
    """Mean of the diagonal minus mean of the rest, double-centred: (..., n, n) to (...)."""
    # the cells of a double-centred matrix sum to zero, so that the rest follows from the diagonal
    participants = matrix.shape[-1]
    return np.asarray(_diagonal_mean(double_centre(matrix)) * participants / (participants - 1))


def margins(matrix: Reals) -> Reals:
    """Own cell minus mean of the other cells of each row, double-centred: (..., n, n) to (..., n)."""
    participants = matrix.shape[-1]
    own: Reals = np.diagonal(double_centre(matrix), axis1=-2, axis2=-1) * participants / (participants - 1)
    return own


def mean_rank(matrix: Reals) -> Reals:
    """Mean rank of the own cell in its row, double-centred; 1 if all are the greatest: (..., n, n) to (...)."""
    return _diagonal_mean(ranks(matrix))


def identify(matrix: Reals, *, seed: int) -> Identification:
    """Accuracy and margin of identification, with their permutation p.

    Parameters
    ----------
    matrix
        (..., models, participants), own cells on the diagonal.
    seed
        Of the random permutations, where there are too many participants to try all.

    Returns
    -------
    Identification
        p is the share of the assignments of participants to models, the true one included, that do as well or better.

    Raises
    ------
    ValueError
        If the matrix is not square or has so few participants that no p could reach 0.05.
    """
    participants = matrix.shape[-1]
    if matrix.shape[-2] != participants:
        raise ValueError(f"identification needs as many models as participants, not {matrix.shape[-2:]}")
    if participants < LEAST_PARTICIPANTS:
        raise ValueError(
            f"{participants} participants have {math.factorial(participants)} assignments to models, too few for any "
            f"p of {permutation.ALPHA}: take the interval of the margin over images instead"
        )
    order = permutation.labellings(participants, RANDOM_PERMUTATIONS, seed=seed)
    centred = double_centre(matrix)
    return Identification(
        accuracy=accuracy(matrix),
        accuracy_p=assignment_p(row_maxima(centred), order),
        margin=margin(matrix),
        margin_p=assignment_p(centred, order),
    )


def corrected_margin_p(matrices: Reals, *, seed: int) -> Reals:
    """Family-wise corrected p of the margin at each of several times.

    Parameters
    ----------
    matrices
        (..., times, models, participants).
    seed
        Of the random permutations.

    Returns
    -------
    array
        (..., times): share of the assignments of participants to models, the true one included, whose largest margin
        over times reaches the true one at that time.
    """
    centred = double_centre(matrices)
    summed = _summed(centred, permutation.labellings(matrices.shape[-1], RANDOM_PERMUTATIONS, seed=seed))
    tolerance = ROUNDING * np.abs(centred).max((-3, -2, -1), initial=0)[..., None, None]
    largest = summed.max(-2, keepdims=True)
    reached: Reals = (largest >= summed[..., :1] - tolerance).mean(-1)
    return reached


def assignment_p(evidence: Reals, order: NDArray[np.intp]) -> Reals:
    """Share of assignments whose evidence, summed over models, reaches that of the first assignment.

    Parameters
    ----------
    evidence
        (..., models, participants)
    order
        (assignments, participants) from `permutation.labellings`.

    Returns
    -------
    array
        (...)
    """
    participants = evidence.shape[-1]
    flat = evidence.reshape(-1, participants, participants)
    # a matrix at a time would be slow, thousands at once would not fit
    blocks = np.array_split(flat, math.ceil(len(flat) * len(order) / 5_000_000))
    shares = []
    for block in blocks:
        summed = _summed(block, order)
        tolerance = ROUNDING * np.abs(block).max((-2, -1), initial=0)[:, None]
        shares.append((summed >= summed[:, :1] - tolerance).mean(-1))
    return np.concatenate(shares).reshape(evidence.shape[:-2])


def _summed(evidence: Reals, order: NDArray[np.intp]) -> Reals:
    """Sum evidence (..., models, participants) over models under every assignment, (..., assignments)."""
    chosen = np.zeros((len(order), *evidence.shape[-2:]))
    np.put_along_axis(chosen, order[..., None], 1, axis=-1)
    summed: Reals = evidence.reshape(*evidence.shape[:-2], -1) @ chosen.reshape(len(order), -1).T
    return summed


def table(matrix: Reals, participants: tuple[str, ...], *, source: str) -> pd.DataFrame:
    """Tabulate one matrix (models, participants), a part of the table of kind ``identification``.

    Parameters
    ----------
    matrix
        Mean alignments from `similarity`.
    participants
        Names of rows and columns.
    source
        What predicts: "personal" models or "model-free" (the other half of the measurements).
    """
    return pd.DataFrame(
        {
            "source": source,
            "model": np.repeat(participants, len(participants)),
            "participant": np.tile(participants, len(participants)),
            "rho": matrix.ravel(),
            "centred": double_centre(matrix).ravel(),
            "rank": ranks(matrix).ravel(),
        }
    )


def _diagonal_mean(matrix: Reals) -> Reals:
    mean: Reals = np.diagonal(matrix, axis1=-2, axis2=-1).mean(-1)
    return mean
