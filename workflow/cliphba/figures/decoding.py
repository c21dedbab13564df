"""Figure: how much information there is about the images in the recordings, and when."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import style

# Height of the strip for latencies below the curves, and of a row in it, as shares of the axes.
STRIP, ROW = 0.2, 0.085


@style.applied
def draw(decoding: pd.DataFrame, latency: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the mean dissimilarity of pairs over time, and when it sets in and peaks.

    Parameters
    ----------
    decoding
        Table of kind ``decoding``; its metadata say how many images there were (``images``).
    latency
        Table of kind ``latency``, for the curve "decoding".
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Thin lines are participants (mean of their halves), the thick line is their mean. Below, onset and peak of the
        mean with 95 % intervals.
    """
    figure = style.new_figure(110, 76, note=note)
    axes = figure.subplots()
    shown = in_percent(decoding)
    each = shown.pivot_table(index="time_ms", columns="participant", values="value", aggfunc="mean")
    axes.plot(each.index, each, color=style.FAINT, linewidth=0.7)
    axes.plot(each.index, each.mean(axis=1), color="black", linewidth=2)
    chance = shown["chance"].iloc[0]
    style.reference_line(axes, chance)
    axes.annotate("chance", (1.01, chance), xycoords=axes.get_yaxis_transform(), va="center", color=style.REFERENCE)
    style.time_axis(axes, each.index.to_numpy())
    axes.set_ylabel(f"Pairwise {shown['quantity'].iloc[0]}")
    images = f"{decoding.attrs['images']} training images"
    axes.set_title(f"{each.shape[1]} participants (thin), their mean (thick), {images}", loc="left")
    _draw_latencies(axes, latency[(latency["curve"] == "decoding") & latency["participant"].isna()])
    return figure


def in_percent(decoding: pd.DataFrame) -> pd.DataFrame:
    """Give accuracies in percent, and say so in the name of the quantity; other quantities stay as they are."""
    if decoding["quantity"].iloc[0] != "decoding accuracy":
        return decoding
    percent = 100 * decoding[["value", "chance"]]
    return decoding.assign(**percent, quantity="decoding accuracy (%)")


def _draw_latencies(axes: Axes, latency: pd.DataFrame) -> None:
    """Draw onset and peak with their intervals in a strip below all curves."""
    style.make_room_below(axes, STRIP)
    rows = axes.get_xaxis_transform()
    for row, (quantity, found) in enumerate(latency.set_index("quantity").iterrows()):
        height = STRIP - ROW * (row + 0.8)
        value, low, high = found[["value", "low", "high"]].astype(float)
        end = axes.get_xlim()[1] if np.isnan(high) else high
        axes.plot([low, end], [height] * 2, color="black", linewidth=1.2, transform=rows)
        axes.plot(value, height, "o", color="black", markersize=4, transform=rows)
        axes.annotate(
            f"{quantity} {style.interval(value, low, high, decimals=0)} ms", (end, height), xycoords=rows,
            xytext=(5, 0), textcoords="offset points", va="center", fontsize=7,
        )  # fmt: skip
