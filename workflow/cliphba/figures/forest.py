"""Rows of a forest plot: estimates with their 95 % intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cliphba.figures import style

LINE, MARKER = 1.3, 22


def rows(axes: Axes, labels: Sequence[str]) -> None:
    """Make room for a row for each label, the first at height 0 on top, and name them."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def remarks(axes: Axes, texts: Sequence[str], *, place: float = 1.02) -> None:
    """Write a text to the right of each row, at a place in shares of the width of the axes."""
    for row, text in enumerate(texts):
        axes.annotate(
            text, (place, row), xycoords=axes.get_yaxis_transform(), va="center", fontsize=7, annotation_clip=False
        )


def reference(axes: Axes, value: float) -> None:
    """Draw the line of nothing there: no difference, chance."""
    axes.axvline(value, color=style.REFERENCE, linewidth=0.7, zorder=0.5)


def estimates(
    axes: Axes, found: pd.DataFrame, heights: Sequence[float], colour: str | Sequence[str], *, size: float = MARKER
) -> None:
    """Draw a dot and its interval for each estimate.

    Parameters
    ----------
    axes
        Where.
    found
        Columns value, low, high; intervals without an end are not drawn. Where there is a column ``significant``, the
        dots of what is not are hollow.
    heights
        Of each estimate.
    colour
        Of all, or of each.
    size
        Of the dots, in square points; lines are as much thinner.
    """
    colours = np.broadcast_to(np.asarray(colour), len(found))
    inside = np.where(found["significant"], colours, "white") if "significant" in found else colours
    axes.hlines(heights, found["low"], found["high"], colors=list(colours), linewidth=LINE * np.sqrt(size / MARKER))
    axes.scatter(found["value"], heights, s=size, c=list(inside), edgecolors=list(colours), linewidth=1, zorder=3)


def individual_dots(axes: Axes, values: Sequence[float], height: float, colour: str = style.FAINT) -> None:
    """Draw a small dot for each participant or judge, half a row below the height of the row they belong to."""
    places = np.full(len(values), height + 0.32)
    axes.scatter(values, places, s=9, color=colour, alpha=0.6, linewidth=0, zorder=2, rasterized=len(values) > 100)
