"""Are people as different in the models as they are in their brains? RSA of participants instead of images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate import permutation
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate, Reals

#: With 4, so little is left of an RDM of participants once what each has in common with all others is taken out that
#: labellings tie, and no p of 0.05 can be reached.
LEAST_PARTICIPANTS = 5

# Least squares come closer than rounding with this many steps, but for data that are all noise.
STEPS = 100


def dissimilarity(alignments: Alignments) -> Estimate:
    """RDM of participants: 1 - mean correlation, after onset, of two participants' RDMs at the same time.

    Parameters
    ----------
    alignments
        Of each participant's RDMs, as models, with each participant's RDMs.

    Returns
    -------
    Estimate
        (pairs of participants,).
    """
    response = alignments.times_ms > 0
    return alignments.personal().map(lambda rho: 1 - np.asarray(rdm.to_triangle(rho[..., response].mean(-1))))


def compare(first: Estimate, second: Estimate) -> Estimate:
    """Give the `agreement` of two spaces, whose resamples are the same.

    Resamples hold fewer different images, so that spaces are noisier in them and agree less. They tell the spread of
    the agreement, not its level: by Fisher's z they are moved to what was measured.
    """
    value = agreement(first.value, second.value)
    return Estimate(value, agreement(first.resampled, second.resampled)).levelled()


def agreement(first: Reals, second: Reals) -> Reals:
    """Spearman correlation of RDMs of participants, (..., pairs) each.

    Participants whose data are noisy are far from everybody in every space. That alone makes two RDMs of participants
    alike, so both are first freed of what each participant has in common with all others.

    Raises
    ------
    ValueError
        If there are fewer than 5 participants.
    """
    return rdm.spearman(peculiar(first), peculiar(second))


def permutation_p(first: Reals, second: Reals, *, permutations: int, seed: int) -> Reals:
    """Two-sided p of `agreement` by permutation of the participants in one of the two RDMs."""
    units = [rdm.unit(peculiar(one), "spearman") for one in (first, second)]
    chance = permutation.relabel(*(unit[..., None, :] for unit in units), permutations=permutations, seed=seed)
    return permutation.relabelled_p(chance)[..., 0]


def table(space: str, dissimilarity: Reals, participants: tuple[str, ...]) -> pd.DataFrame:
    """Tabulate an RDM of participants, a part of the table of kind ``second_order``."""
    rows, columns = rdm.pair_indices(len(participants))
    names = np.array(participants)
    pairs = {"first": names[rows], "second": names[columns], "dissimilarity": dissimilarity}
    return pd.DataFrame({"space": space, **pairs})


def peculiar(dissimilarity: Reals) -> Reals:
    """Dissimilarity (..., pairs) that what each participant has in common with all others does not explain.

    If people differ in nothing but noise, the correlation of two is the product of what each correlates with the
    truth: a model of one factor (Spearman 1904, doi:10.2307/1412107), fitted by least squares to all pairs (minres;
    Harman & Jones 1966, doi:10.1007/BF02289468). Sums in place of products would leave a trace of the noise, which is
    the same in both halves of a person's data.
    """
    similarity = 1 - dissimilarity
    square = rdm.to_square(similarity)
    participants = square.shape[-1]
    if participants < LEAST_PARTICIPANTS:
        raise ValueError(
            f"second-order RSA needs {LEAST_PARTICIPANTS} or more participants, not {participants}: "
            "compare them one by one instead, by the margins of identification"
        )
    common = np.sqrt(np.maximum(similarity.mean(-1, keepdims=True), rdm.TINY)) * np.ones(participants)
    for _ in range(STEPS):
        products, squares = (square * common[..., None, :]).sum(-1), common * common
        best = products / (squares.sum(-1, keepdims=True) - squares + rdm.TINY)
        # half the way: the whole would overshoot and swing
        common = (common + best) / 2
    rows, columns = rdm.pair_indices(participants)
    return np.asarray(common[..., rows] * common[..., columns] - similarity)
