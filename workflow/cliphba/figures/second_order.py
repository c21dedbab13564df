"""Figure: whether people who differ in their models differ in their brains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from cliphba import rdm
from cliphba.evaluate.bootstrap import Reals
from cliphba.evaluate.second_order import LEAST_PARTICIPANTS, peculiar
from cliphba.figures import stated, style

SPACES = {"MEG": "MEG", "models": "Personal models", "MEG, other half": "MEG, other half"}
#: What the summary calls the agreement of a space with the held-out recordings.
SOURCES = {"models": "personal", "MEG, other half": "model-free"}


@style.applied
def draw(second_order: pd.DataFrame, summary: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show how different participants are in their models and in their recordings.

    Parameters
    ----------
    second_order
        Table of kind ``second_order``; the other half of the recordings may be missing.
    summary
        Table of kind ``summary``, for the agreement of the spaces; with few participants there is none.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Above, RDMs of participants as measured. Below, as percentiles, what is compared: dissimilarities beyond what
        each participant has in common with all others; with too few participants for that, the reason why not.
    """
    values = second_order.set_index("space")["dissimilarity"]
    triangles = {space: values[[space]].to_numpy(np.float64) for space in SPACES if space in values.index}
    people = sorted({*second_order["first"], *second_order["second"]})
    enough = len(people) >= LEAST_PARTICIPANTS
    figure = style.new_figure(180, 184 if enough else 100, note=note)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.08) if enough else (8, 1)).flat
    _draw_measured(top, triangles, people)
    style.headline(top, f"As measured, {stated.images(second_order)}")
    if enough:
        _draw_compared(bottom, triangles, people, summary[summary["metric"] == "second_order_rho"])
    else:
        reason = f"Not compared: that needs {LEAST_PARTICIPANTS} or more participants, here are {len(people)}."
        bottom.text(0.5, 0.5, reason, ha="center", va="center")
    return figure


def _draw_measured(figure: SubFigure, triangles: Mapping[str, Reals], people: list[str]) -> None:
    panels = figure.subplots(1, len(triangles))
    for axes, (space, triangle) in zip(panels, triangles.items(), strict=True):
        image = _draw_square(axes, triangle)
        axes.set_title(SPACES[space])
        figure.colorbar(image, ax=axes, label="1 − mean ρ", location="bottom", shrink=0.8, ticks=MaxNLocator(3))
    panels[0].set_yticks(range(len(people)), people)


def _draw_compared(figure: SubFigure, triangles: Mapping[str, Reals], people: list[str], found: pd.DataFrame) -> None:
    style.headline(figure, "Beyond what each participant has in common with all others")
    panels = figure.subplots(1, len(triangles))
    for axes, (space, triangle) in zip(panels, triangles.items(), strict=True):
        ranks = rankdata(peculiar(triangle))
        image = _draw_square(axes, 100 * (ranks - 1) / (len(ranks) - 1))
        axes.set_title(f"{SPACES[space]}\n{_agreement(found[found['model'] == SOURCES.get(space)])}")
        figure.colorbar(image, ax=axes, label="Percentile", location="bottom", shrink=0.8, ticks=[0, 50, 100])
    panels[0].set_yticks(range(len(people)), people)


def _draw_square(axes: Axes, triangle: Reals) -> AxesImage:
    """Draw an RDM of participants, who stand in the same order from left to right and from top to bottom."""
    square = rdm.to_square(triangle)
    np.fill_diagonal(square, np.nan)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes.imshow(square, cmap="viridis")


def _agreement(found: pd.DataFrame) -> str:
    if found.empty:
        return "compared with:\n"
    row = found.iloc[0]
    return f"ρ = {style.interval(row['value'], row['low'], row['high'])}\n{style.probability(row['p'])}"
