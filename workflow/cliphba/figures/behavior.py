"""Figure: how people and models see the similarity of the same images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.stats import rankdata

from cliphba import rdm
from cliphba.evaluate.bootstrap import Reals
from cliphba.figures import style

SOURCES = ("human", "clip", "behavior")


@style.applied
def draw(rdms: pd.DataFrame, summary: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the RDMs of people, CLIP and the behaviour model side by side.

    Parameters
    ----------
    rdms
        Table of kind ``behavior_rdm``.
    summary
        Table of kind ``summary``, for the correlations with the human RDM.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Dissimilarities as percentiles, the images ordered by clustering the human RDM.
    """
    figure = style.new_figure(180, 70, note=note)
    panels = figure.subplots(1, len(SOURCES))
    triangles = {source: _percentiles(rdms, source) for source in SOURCES}
    order = leaves_list(linkage(triangles["human"], method="average", optimal_ordering=True))
    for axes, (source, triangle) in zip(panels, triangles.items(), strict=True):
        square = rdm.to_square(triangle)
        np.fill_diagonal(square, np.nan)
        image = axes.imshow(square[np.ix_(order, order)], cmap="viridis", vmin=0, vmax=100)
        axes.set_title(_title(source, summary))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    panels[0].set_ylabel(f"{len(order)} held-out images")
    panels[1].set_xlabel("Images ordered by clustering the human RDM")
    figure.colorbar(image, ax=panels, label="Dissimilarity (percentile)", shrink=0.8, ticks=[0, 50, 100])
    return figure


def _percentiles(rdms: pd.DataFrame, source: str) -> Reals:
    values = rdms.loc[rdms["source"] == source, "value"].to_numpy()
    if not len(values):
        raise ValueError(f"the table behavior_rdm has no source {source!r}: add its RDM")
    return np.asarray(100 * (rankdata(values) - 1) / (len(values) - 1))


def _title(source: str, summary: pd.DataFrame) -> str:
    rows = summary[(summary["metric"] == "behavior_rho") & (summary["model"] == source)]
    label = style.LABELS[source]
    if rows.empty:
        return f"{label}\n"
    row = rows.iloc[0]
    return f"{label}\nρ = {style.interval(row['value'], row['low'], row['high'])}"
