"""How models see new images: which agree, and which pairs of images some see otherwise than the rest, over time.

Nobody's recordings are needed. With personal models it says how people are expected to differ, as far as their models
are theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate import alignment
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Reals
from cliphba.progress import track
from cliphba.rdm import Comparison
from cliphba.tables import COLUMNS, LazyRDMs, RDMSeries

#: With two, all RDMs are alike.
LEAST_IMAGES = 3
#: Pairs of images that are kept of each model and time.
KEPT = 20


def compare(
    models: Mapping[str, RDMSeries], *, comparison: Comparison = "spearman", resamples: int, seed: int
) -> dict[str, pd.DataFrame]:
    """Compare models with each other on the same images.

    Parameters
    ----------
    models
        Name to RDMs, of two or more models: all at the same times, or without time course. Those without are the same
        at every time.
    comparison
        How RDMs are compared.
    resamples, seed
        Of the bootstrap over images. Without resamples there are no intervals.

    Returns
    -------
    dict
        Kind to table: ``model_agreement`` and ``seen_differently``. Rows whose time is not-a-number are of the mean
        over times after onset, or about models without time course.

    Raises
    ------
    ValueError
        If there are too few models or images, or stimuli or times do not fit together.
    """
    shown = _together(models)
    found = alignment.measure(
        shown, shown, comparison=comparison, resamples=resamples, seed=seed, label="comparing models"
    )
    return {"model_agreement": _agreement(found), "seen_differently": seen_differently(shown)}


def seen_differently(models: Mapping[str, RDMSeries], *, kept: int = KEPT) -> pd.DataFrame:
    """Find the pairs of images that a model sees otherwise than the others do.

    How different a pair of images is to a model is told by its percentile among all pairs, which does not depend on
    the scale of the model's dissimilarities.

    Parameters
    ----------
    models
        Name to RDMs, of two or more models, at the same times.
    kept
        How many pairs are kept of each model and time, those with the largest differences.

    Returns
    -------
    DataFrame
        Table of kind ``seen_differently``. ``percentile`` is the model's own, ``others`` the mean of all others'.
    """
    first = next(iter(models.values()))
    names, response = list(models), _response(first.times_ms)
    mean, parts = np.zeros((len(models), rdm.pair_count(len(first.stimuli)))), []
    for index, time in enumerate(track(first.times_ms, "comparing pairs of images", unit="time point")):
        percentiles = _percentiles(np.stack([model.row(index) for model in models.values()]))
        mean += response[index] * percentiles
        parts.append(_largest(percentiles, names, first.stimuli, kept).assign(time_ms=time))
    if len(first.times_ms) > 1:
        parts.append(_largest(mean, names, first.stimuli, kept).assign(time_ms=np.nan))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS["seen_differently"])]


def _together(models: Mapping[str, RDMSeries]) -> dict[str, RDMSeries]:
    """Lay models without time course along the times of the others."""
    if len(models) < 2:
        raise ValueError(f"models: two or more are needed to compare, not {len(models)}")
    timed = [model for model in models.values() if len(model.times_ms) > 1]
    longest = max(models.values(), key=lambda model: len(model.times_ms))
    if len(longest.stimuli) < LEAST_IMAGES:
        raise ValueError(f"images: {LEAST_IMAGES} or more are needed to compare models, not {len(longest.stimuli)}")
    return {name: _along(model, longest.times_ms) if timed else model for name, model in models.items()}


def _along(model: RDMSeries, times_ms: Reals) -> RDMSeries:
    if len(model.times_ms) > 1 or len(times_ms) == 1:
        return model
    row = model.row(0)
    return LazyRDMs(times_ms, model.stimuli, lambda _: row)


def _response(times_ms: Reals) -> Reals:
    """Share of each time in means: those after onset count, or all where there are none."""
    after = times_ms > 0
    counted = after if after.any() else np.ones_like(after)
    return np.asarray(counted / counted.sum())


def _agreement(found: Alignments) -> pd.DataFrame:
    """Tabulate how well the RDMs of any two models agree."""
    agreement = found.personal().map(lambda rho: np.asarray(rdm.to_triangle(np.moveaxis(rho, -1, -3))))
    parts = [_pairs(agreement[index].columns(), found, time) for index, time in enumerate(found.times_ms)]
    if len(found.times_ms) > 1:
        mean = agreement.map(lambda rho: np.einsum("t,...tp->...p", _response(found.times_ms), rho))
        parts.append(_pairs(mean.columns(), found, np.nan))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS["model_agreement"])]


def _pairs(estimates: Mapping[str, Reals], found: Alignments, time_ms: float) -> pd.DataFrame:
    rows, columns = rdm.pair_indices(len(found.participants))
    names = np.array(found.participants)
    pairs = pd.DataFrame({"first": names[rows], "second": names[columns], "time_ms": time_ms, **estimates})
    return pairs.rename(columns={"value": "rho"})


def _percentiles(dissimilarities: rdm.Floats) -> Reals:
    """Share of pairs, in percent, that are less different than each: (models, pairs), ties half."""
    pairs = dissimilarities.shape[-1]
    return np.asarray(100 * (rdm.average_ranks(dissimilarities) - 0.5) / pairs)


def _largest(percentiles: Reals, names: Sequence[str], stimuli: Sequence[str], kept: int) -> pd.DataFrame:
    """Tabulate the pairs of images (models, pairs) that each model sees most differently from the others."""
    others = (percentiles.sum(0) - percentiles) / (len(percentiles) - 1)
    difference = percentiles - others
    chosen = np.argsort(-np.abs(difference), axis=1, kind="stable")[:, :kept]
    rows, columns = (np.array(stimuli)[side[chosen]].ravel() for side in rdm.pair_indices(len(stimuli)))
    values = {"percentile": percentiles, "others": others, "difference": difference}
    taken = {name: np.take_along_axis(value, chosen, axis=1).ravel() for name, value in values.items()}
    return pd.DataFrame({"model": np.repeat(names, chosen.shape[1]), "first": rows, "second": columns, **taken})
