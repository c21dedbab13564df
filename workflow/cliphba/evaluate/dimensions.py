"""Which dimension is active at which time? Embeddings of models over time, dimension by dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from cliphba.evaluate import bootstrap
from cliphba.evaluate.bootstrap import Estimate, Reals
from cliphba.tables import Embedding

#: Mean over images; standard deviation over images, which is what tells them apart.
MEAN, SPREAD = "mean", "spread"


def courses(embeddings: Mapping[str, Embedding], *, resamples: int, seed: int) -> pd.DataFrame:
    """Tabulate how active each dimension is at each time, and how much it varies over images.

    Parameters
    ----------
    embeddings
        Model to its embedding of the images, with the names of dimensions in the metadata.
    resamples, seed
        Number and seed of the bootstrap resamples of images.

    Returns
    -------
    DataFrame
        Table of kind ``dimension_course`` but for its independence. Ranks are among the dimensions of a model at a
        time, 1 the largest, equal ones with their mean rank; intervals are over images.
    """
    parts = [
        _tabulate(estimate(embedding, quantity, resamples=resamples, seed=seed), embedding).assign(
            model=model, quantity=quantity
        )
        for model, embedding in embeddings.items()
        for quantity in (MEAN, SPREAD)
    ]
    return pd.concat(parts, ignore_index=True)


def estimate(embedding: Embedding, quantity: str, *, resamples: int, seed: int) -> Estimate:
    """Average an embedding over images, or take its deviation over them: (times, dimensions)."""
    counts = bootstrap.draw(len(embedding.stimuli), resamples, seed=(seed, 0))
    shares = np.concatenate([np.ones((1, counts.shape[1])), counts]) / counts.shape[1]
    found = np.stack([SUMMARIES[quantity](shares, one.astype(np.float64)) for one in embedding.values], axis=1)
    return Estimate(found[0], found[1:])


def _mean(shares: Reals, values: Reals) -> Reals:
    """(resamples, dimensions) from (resamples, images), (images, dimensions)."""
    return np.asarray(shares @ values)


def _spread(shares: Reals, values: Reals) -> Reals:
    centred = values - values.mean(0)
    return np.asarray(np.sqrt(np.maximum(shares @ centred**2 - (shares @ centred) ** 2, 0)))


SUMMARIES: Mapping[str, Callable[[Reals, Reals], Reals]] = {MEAN: _mean, SPREAD: _spread}


def _tabulate(found: Estimate, embedding: Embedding) -> pd.DataFrame:
    times, dimensions = found.value.shape
    ranks = found.map(lambda values: np.asarray(rankdata(-values, axis=-1)))
    columns = {
        **found.columns(),
        **dict(zip(("rank", "rank_low", "rank_high"), ranks.columns().values(), strict=True)),
    }
    return pd.DataFrame(
        {
            "time_ms": np.repeat(embedding.times_ms, dimensions),
            "dimension": np.tile(np.array(embedding.metadata["dimensions"]), times),
            **{name: values.ravel() for name, values in columns.items()},
        }
    )
