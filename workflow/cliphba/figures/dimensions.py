"""Figure: which dimension of the model is active at which time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import stated, style

PANELS = {"mean": "Mean activation", "spread": "Spread over images (SD)"}
#: Time between two columns of ranks, and lengths in print: of a row, at most, and of what is not rows.
RANKS_EVERY_MS, ROW_MM, ROWS_MM, REST_MM, LONGEST_NAME = 100, 4.4, 205, 32, 34


@style.applied
def draw(courses: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show how large a part each dimension has in the group model's embedding at each time, and its rank.

    Parameters
    ----------
    courses
        Table of kind ``dimension_course``; its metadata say how many images there were (``images``) and whether they
        were held out (``settings``, ``evaluated_on``).
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Two heat maps dimension x time: of means, and of standard deviations over images, each as a share of the sum
        over dimensions. Numbers are ranks. Dimensions are ordered by the centre in time of their share of the spread,
        the earliest at the top.
    """
    group = courses[courses["model"] == "group"]
    shares, ranks = ({name: _wide(group, name, value) for name in PANELS} for value in ("value", "rank"))
    shares = {name: 100 * wide.div(wide.sum(axis=1), axis=0) for name, wide in shares.items()}
    order = _centre_ms(shares["spread"]).sort_values(kind="stable", ascending=False).index
    figure = style.new_figure(180, REST_MM + min(ROW_MM * len(order), ROWS_MM), note=note)
    for axes, (name, title) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        placed = shares[name][order].T.reset_index(drop=True)
        image = style.heat_map(axes, placed, cmap="viridis", vmin=0)
        _write_ranks(axes, ranks[name][order].T.reset_index(drop=True), placed / placed.to_numpy().max())
        axes.set_title(title)
        axes.set_yticks(range(len(order)), [_short(dimension) for dimension in order])
        axes.tick_params(axis="y", length=0)
        figure.colorbar(image, ax=axes, location="bottom", label="Share of all dimensions (%)", aspect=30)
    style.headline(figure, f"Group MEG model, {stated.images(courses)}. Numbers: rank among {len(order)} dimensions.")
    return figure


def _wide(group: pd.DataFrame, quantity: str, value: str) -> pd.DataFrame:
    """Give times x dimensions."""
    return group[group["quantity"] == quantity].pivot(index="time_ms", columns="dimension", values=value)


def _centre_ms(shares: pd.DataFrame) -> pd.Series:
    return shares.mul(shares.index, axis=0).sum() / shares.sum()


def _short(dimension: str) -> str:
    return dimension if len(dimension) <= LONGEST_NAME else f"{dimension[:LONGEST_NAME]}\N{HORIZONTAL ELLIPSIS}"


def _write_ranks(axes: Axes, ranks: pd.DataFrame, brightness: pd.DataFrame) -> None:
    """Write ranks into cells of round times, dark on bright."""
    times_ms = ranks.columns.to_numpy(np.float64)
    round_times = np.arange(RANKS_EVERY_MS, times_ms.max(), RANKS_EVERY_MS)
    for time in times_ms[np.abs(times_ms[:, None] - round_times).argmin(axis=0)]:
        for row, rank in ranks[time].items():
            colour = "black" if brightness.loc[row, time] > 0.6 else "white"
            axes.text(time, float(row), f"{rank:.0f}", ha="center", va="center", fontsize=7, color=colour)
