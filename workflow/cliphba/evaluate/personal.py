"""Is a personal model the model of its own person? Identification of participants by their models.

M[p, q] is how well the model of p predicts the brain of q. Double-centring removes how good a model is for anyone
(rows) and how clean a person's data are (columns); what is left on the diagonal is personal. Under the null
hypothesis any assignment of participants to models is as good as the true one, which gives an exact test.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate, Reals

#: Up to so many participants every permutation is tried; beyond, as many random ones as `RANDOM_PERMUTATIONS`.
EXHAUSTIVE = 7
RANDOM_PERMUTATIONS = 10_000
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


def accuracy(matrix: Reals) -> Reals:
    """Share of models that, double-centred, fit their own participant best: (..., n, n) to (...)."""
    return _diagonal_mean(row_maxima(double_centre(matrix)))


def margin(matrix: Reals) -> Reals:
    """Mean of the diagonal minus mean of the rest, double-centred: (..., n, n) to (...)."""
    # the cells of a double-centred matrix sum to zero, so that the rest follows from the diagonal
    participants = matrix.shape[-1]
    return np.asarray(_diagonal_mean(double_centre(matrix)) * participants / (participants - 1))


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
        If the matrix is not square or has fewer than two participants.
    """
    participants = matrix.shape[-1]
    if matrix.shape[-2] != participants or participants < 2:
        raise ValueError(f"identification needs as many models as participants, two or more, not {matrix.shape[-2:]}")
    order = assignments(participants, seed=seed)
    centred = double_centre(matrix)
    return Identification(
        accuracy=accuracy(matrix),
        accuracy_p=assignment_p(row_maxima(centred), order),
        margin=margin(matrix),
        margin_p=assignment_p(centred, order),
    )


def assignments(participants: int, *, seed: int) -> NDArray[np.intp]:
    """List assignments of participants to models, (assignments, participants); the first is the true one."""
    if participants <= EXHAUSTIVE:
        return np.array(list(itertools.permutations(range(participants))), dtype=np.intp)
    random = np.random.default_rng(seed)
    true = np.arange(participants)
    shuffled = random.permuted(np.tile(true, (RANDOM_PERMUTATIONS - 1, 1)), axis=1)
    return np.concatenate([true[None], shuffled])


def assignment_p(evidence: Reals, order: NDArray[np.intp]) -> Reals:
    """Share of assignments whose evidence, summed over models, reaches that of the first assignment.

    Parameters
    ----------
    evidence
        (..., models, participants)
    order
        (assignments, participants) from `assignments`.

    Returns
    -------
    array
        (...)
    """
    participants = evidence.shape[-1]
    chosen = np.zeros((len(order), participants, participants))
    np.put_along_axis(chosen, order[..., None], 1, axis=-1)
    flat = evidence.reshape(-1, participants * participants)
    cells = chosen.reshape(len(order), -1).T
    # a matrix at a time would be slow, thousands at once would not fit
    blocks = np.array_split(flat, math.ceil(len(flat) * len(order) / 5_000_000))
    shares = []
    for block in blocks:
        summed = block @ cells
        tolerance = ROUNDING * np.abs(block).max(-1, initial=0)[:, None]
        shares.append((summed >= summed[:, :1] - tolerance).mean(-1))
    return np.concatenate(shares).reshape(evidence.shape[:-2])


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
        }
    )


def _diagonal_mean(matrix: Reals) -> Reals:
    mean: Reals = np.diagonal(matrix, axis1=-2, axis2=-1).mean(-1)
    return mean
