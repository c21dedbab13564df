"""Where people differ: at which times, in which dimensions of the models, in which blocks of the vision tower.

What counts is what tells people apart in recordings that no model saw, not what differs between models: two models of
the same person differ, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist

from cliphba import rdm
from cliphba.evaluate import personal, second_order
from cliphba.evaluate.alignment import Alignments, measure
from cliphba.evaluate.bootstrap import Estimate, Reals
from cliphba.evaluate.findings import falsely_discovered
from cliphba.rdm import Comparison
from cliphba.tables import Embedding, RDMs

TIME, DIMENSION, BLOCK = "time", "dimension", "block"
#: Of weights of blocks with recordings: those that no model saw, or those of training.
HELD_OUT, AGREEMENT = "agreement with held-out MEG", "agreement with MEG"
COLUMNS = ["aspect", "item", "time_ms", "quantity", "value", "low", "high", "p", "q"]


def over_time(alignments: Alignments, *, seed: int) -> pd.DataFrame:
    """Margin of identification at every time after onset.

    Parameters
    ----------
    alignments
        With one model a participant.
    seed
        Of random assignments of participants to models, where there are too many to try all.

    Returns
    -------
    DataFrame
        A part of the table of kind ``differences``. p is corrected for the number of times by the largest margin over
        times under each assignment; not-a-number with too few participants to reach any p of interest.
    """
    response = alignments.times_ms > 0
    matrices = alignments.personal().map(lambda rho: np.moveaxis(rho[..., response], -1, -3))
    enough = len(alignments.participants) >= personal.LEAST_PARTICIPANTS
    p = personal.corrected_margin_p(matrices.value, seed=seed) if enough else np.nan
    rows = _describe(matrices.map(personal.margin)).assign(time_ms=alignments.times_ms[response], p=p)
    return rows.assign(aspect=TIME, quantity="margin").reindex(columns=COLUMNS)


def over_dimensions(
    embeddings: Mapping[str, Embedding],
    measured: Mapping[str, RDMs],
    *,
    comparison: Comparison = "spearman",
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """How much of the margin of identification is lost if a dimension is made the same in all personal models.

    Parameters
    ----------
    embeddings
        Of each participant's model, for the images in `measured`.
    measured
        RDMs of each participant.
    comparison
        How RDMs are compared.
    resamples, seed
        Of the bootstrap over images.

    Returns
    -------
    DataFrame
        A part of the table of kind ``differences``, from RDMs averaged over the times after onset. p is by assignment
        of participants to models, q corrects it for the number of dimensions (false discovery rate); both are
        not-a-number with too few participants to reach any p of interest.
    """
    targets = {name: rdms.without_time() for name, rdms in measured.items()}
    stimuli = next(iter(targets.values())).stimuli
    shown = [embedding.of(stimuli) for embedding in embeddings.values()]
    values = np.stack([embedding.values[embedding.times_ms > 0] for embedding in shown]).astype(np.float64)

    def similarity(dimensions: Reals) -> Estimate:
        """(models, participants) from embeddings (models, times, images, dimensions)."""
        # one time after another: RDMs of all models and times at once may not fit into memory
        averaged = [sum(map(rdm.correlation_distance, model)) / len(model) for model in dimensions]
        models = {name: RDMs.static(one, stimuli) for name, one in zip(embeddings, averaged, strict=True)}
        found = measure(models, targets, comparison=comparison, resamples=resamples, seed=seed, label="dimensions")
        return found.personal().map(lambda rho: rho[..., 0])

    full, enough = similarity(values), len(targets) >= personal.LEAST_PARTICIPANTS
    parts, names = [], next(iter(embeddings.values())).metadata["dimensions"]
    for index, name in enumerate(names):
        alike = values.copy()
        alike[..., index] = alike[..., index].mean(0)
        lost = full - similarity(alike)
        p = personal.identify(lost.value, seed=seed).margin_p if enough else np.nan
        parts.append(_describe(lost.map(personal.margin)).assign(item=name, p=float(p)))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(aspect=DIMENSION, quantity="margin lost", q=falsely_discovered(rows["p"]))
    return rows.reindex(columns=COLUMNS)


def spread_of_blocks(reweighting: pd.DataFrame) -> pd.DataFrame:
    """How much the weight of each block differs between people.

    Parameters
    ----------
    reweighting
        Table of kind ``reweighting``, one model a participant.

    Returns
    -------
    DataFrame
        A part of the table of kind ``differences``: for each block the standard deviation over participants, averaged
        over times. Models of people who do not differ have a spread, too.
    """
    spread = reweighting.groupby(["block", "time_ms"])["weight"].std().groupby("block").mean()
    rows = pd.DataFrame({"item": spread.index.astype(str), "value": spread.to_numpy()})
    return rows.assign(aspect=BLOCK, quantity="spread of weights").reindex(columns=COLUMNS)


def over_blocks(
    reweighting: pd.DataFrame, participants: Sequence[str], brains: Estimate, *, permutations: int, seed: int
) -> pd.DataFrame:
    """Whether the weight of each block differs between people as their held-out recordings do.

    Parameters
    ----------
    reweighting
        Table of kind ``reweighting``, one model a participant.
    participants
        Their names in the order of `brains`.
    brains
        (pairs of participants,) their dissimilarity in held-out recordings; see `second_order.dissimilarity`.
    permutations, seed
        Of the test of agreement.

    Returns
    -------
    DataFrame
        A part of the table of kind ``differences``: for each block the correlation, over pairs of participants, of
        how far apart their weights are with `brains`, both freed of what participants have in common with all others.
        p permutes participants, q corrects it for the number of blocks.
    """
    parts = []
    for block, rows in reweighting.groupby("block"):
        courses = rows.pivot(index="model", columns="time_ms", values="weight").loc[list(participants)].to_numpy()
        apart = _apart(courses)
        # one measurement of the weights stands against all resamples of the brains
        agreement = second_order.compare(Estimate(apart, apart[None]), brains)
        p = second_order.permutation_p(apart, brains.value, permutations=permutations, seed=seed)
        parts.append(_describe(agreement).assign(item=str(block), p=float(p)))
    tested = pd.concat(parts, ignore_index=True)
    tested = tested.assign(quantity=HELD_OUT, q=falsely_discovered(tested["p"]))
    return tested.assign(aspect=BLOCK).reindex(columns=COLUMNS)


def _describe(estimate: Estimate) -> pd.DataFrame:
    return pd.DataFrame({name: np.atleast_1d(one) for name, one in estimate.columns().items()})


def _apart(courses: Reals) -> Reals:
    """Dissimilarity of courses of weights (participants, times), as of RDMs: 1 - similarity, (pairs,).

    Where courses have noise, squared distances add up those of two people. The exponential makes products of sums,
    which is what second-order RSA takes out.
    """
    squared = pdist(courses, "sqeuclidean")
    return np.asarray(1 - np.exp(-squared / (squared.mean() + rdm.TINY)))
