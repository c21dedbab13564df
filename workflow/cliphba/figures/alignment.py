"""Figure: how models follow the brain's representation of images over time."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import stated, style

MODELS = ("clip", "behavior", "group")


@style.applied
def draw(alignment: pd.DataFrame, ceiling: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the alignment of CLIP, the Behavior model and the group model over time, with the noise ceiling.

    Parameters
    ----------
    alignment
        Table of kind ``alignment``; its metadata say how many images there were (``images``) and whether they were
        held out (``settings``, ``evaluated_on``).
    ceiling
        Table of kind ``ceiling``.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Lines are means over participants, shades their 95 % intervals, the grey band the noise ceiling. Bars mark the
        times at which a mean differs from zero, over images.
    """
    figure = style.new_figure(130, 84, note=note)
    axes = figure.subplots()
    draw_curves(axes, alignment, ceiling)
    mark_significance(axes, alignment)
    participants = alignment["participant"].nunique()
    axes.set_ylabel(f"Alignment with {stated.meg(alignment)} (Spearman ρ)")
    axes.set_title(f"{participants} participants, {stated.images(alignment)}; mean and 95 % interval", loc="left")
    name_models(axes, alignment)
    return figure


def draw_curves(axes: Axes, alignment: pd.DataFrame, ceiling: pd.DataFrame) -> None:
    """Draw the means of all models, their intervals and the noise ceiling; see `draw`."""
    style.ceiling_band(axes, ceiling[ceiling["participant"].isna()])
    for model in MODELS:
        style.curve(axes, mean_of(alignment, model), style.COLOURS[model], value="rho")
    style.reference_line(axes, 0)
    style.time_axis(axes, ceiling["time_ms"].to_numpy())
    style.keep_within(axes, -1, 1)


def mark_significance(axes: Axes, alignment: pd.DataFrame) -> None:
    """Draw the bars of all models, below all curves; see `style.significance_bars`."""
    style.significance_bars(axes, [(mean_of(alignment, model), style.COLOURS[model]) for model in MODELS])


def name_models(axes: Axes, alignment: pd.DataFrame) -> None:
    """Name the models at the ends of their lines."""
    style.name_models(axes, {model: float(mean_of(alignment, model)["rho"].iloc[-1]) for model in MODELS})


def mean_of(alignment: pd.DataFrame, model: str) -> pd.DataFrame:
    """Rows of a table of kind ``alignment`` that are about the mean over participants, in the order of time."""
    return alignment[(alignment["model"] == model) & alignment["participant"].isna()].sort_values("time_ms")
