"""Figure: how much information there is about the images in the recordings, and when."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from cliphba.figures import style


@style.applied
def draw(decoding: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the mean dissimilarity of pairs over time.

    Parameters
    ----------
    decoding
        Table of kind ``decoding``.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Thin lines are participants (mean of their halves), the thick line is their mean.
    """
    figure = style.new_figure(100, 70, note=note)
    axes = figure.subplots()
    each = decoding.pivot_table(index="time_ms", columns="participant", values="value", aggfunc="mean")
    quantity, chance = decoding["quantity"].iloc[0], decoding["chance"].iloc[0]
    if quantity == "decoding accuracy":
        each, chance, quantity = 100 * each, 100 * chance, "decoding accuracy (%)"
    axes.plot(each.index, each, color=style.FAINT, linewidth=0.7)
    axes.plot(each.index, each.mean(axis=1), color="black", linewidth=2)
    style.reference_line(axes, chance)
    style.time_axis(axes, each.index.to_numpy())
    axes.annotate("chance", (1.01, chance), xycoords=axes.get_yaxis_transform(), va="center", color=style.REFERENCE)
    axes.set_ylabel(f"Pairwise {quantity}")
    axes.set_title(f"{each.shape[1]} participants (thin) and their mean (thick)", loc="left")
    return figure
