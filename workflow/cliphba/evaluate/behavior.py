"""Agreement of models with human similarity judgements of the same images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate.alignment import measure
from cliphba.evaluate.bootstrap import Estimate
from cliphba.tables import RDMs, RDMSeries


def agree(
    models: Mapping[str, RDMSeries],
    human: RDMSeries,
    *,
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """Spearman correlation of each model's RDM with the human RDM, with bootstrap resamples of the stimuli.

    Parameters
    ----------
    models
        Name to static RDMs of the same images. The human embedding that behaviour models are trained to reach, among
        them as "ceiling", gives the highest agreement they can be expected to have.
    human
        From human judgements, one entry.
    resamples, seed
        Number and seed of the bootstrap resamples.

    Returns
    -------
    dict
        Model to its agreement, a scalar estimate; differences of two are paired.

    Raises
    ------
    ValueError
        If a model has a time course or other stimuli.
    """
    judged = {"human": human}
    found = measure(models, judged, resamples=resamples, seed=seed, label="behavior")
    return {name: rho.map(lambda values: values[..., 0, 0]) for name, rho in found.rho.items()}


def table(sources: Mapping[str, RDMs]) -> pd.DataFrame:
    """Tabulate static RDMs of the same images side by side, a table of kind ``behavior_rdm``.

    Parameters
    ----------
    sources
        "human" and the models, each to its RDMs of one entry.
    """
    parts = []
    for source, rdms in sources.items():
        rows, columns = rdm.pair_indices(len(rdms.stimuli))
        stimuli = np.array(rdms.stimuli)
        pairs = {"source": source, "first": stimuli[rows], "second": stimuli[columns]}
        parts.append(pd.DataFrame({**pairs, "value": rdms.values[0].astype(np.float64)}))
    return pd.concat(parts, ignore_index=True)
