"""Figure: when decoding and models set in and peak, with how sure one is of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import forest, stated, style

CURVES = {"decoding": "Decoding", **{name: style.LABELS[name] for name in ("clip", "behavior", "group", "personal")}}
QUANTITIES = ("onset", "peak")
# Height in mm of a participant's row, of a curve's own row and the gap before it, and of what stands around all.
ROW, OWN, AROUND = 2.2, 6, 24
MARKS = "Large: mean; small: each participant.\nLines: 95 % intervals; an arrow: without an end."


@style.applied
def draw(latency: pd.DataFrame, personal: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show onsets and peaks of decoding and of the alignment of models.

    Parameters
    ----------
    latency
        Table of kind ``latency``: decoding, CLIP, Behavior and the group model.
    personal
        Table of kind ``latency``: personal models, each on its own participant.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        For each curve the mean over participants, and below it each participant in the order of their names. Where
        a curve never sets in, in measurement or in resamples, an arrow stands in place of the dot or of the end.
    """
    found = pd.concat([latency, personal], ignore_index=True)
    participants = sorted(found["participant"].dropna().unique())
    figure = style.new_figure(180, AROUND + len(CURVES) * (OWN + ROW * len(participants)), note=note)
    for axes, quantity in zip(figure.subplots(1, 2, sharey=True, sharex=True), QUANTITIES, strict=True):
        rows = found[found["quantity"] == quantity]
        axes.set_xlim(0, _latest(found))
        for place, curve in enumerate(CURVES):
            _draw_curve(axes, rows[rows["curve"] == curve], place, curve, participants)
        axes.set_xlabel("Time from picture onset (ms)")
        axes.set_title(quantity.capitalize(), loc="left")
        axes.grid(axis="x", color=style.CEILING, linewidth=0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    axes.set_yticks(range(len(CURVES)), CURVES.values())
    axes.set_ylim(len(CURVES) - 0.05, -0.25)
    style.headline(figure, f"{len(participants)} participants, {stated.images(latency)}. {MARKS}")
    return figure


def _latest(found: pd.DataFrame) -> float:
    return 1.05 * float(np.nanmax(found[["value", "high"]].to_numpy()))


def _draw_curve(axes: Axes, rows: pd.DataFrame, place: int, curve: str, participants: list[str]) -> None:
    """Draw the mean and, in the rest of the block of height 1 that starts at its place, the participants."""
    colour = style.COLOURS.get(curve, "black")
    if rows.empty:
        axes.annotate(
            "without a baseline there is no onset", (0.02, place), xycoords=axes.get_yaxis_transform(),
            va="center", fontsize=7, color=style.COLOURS["model-free"],
        )  # fmt: skip
        return
    whole = OWN + ROW * len(participants)
    _draw_rows(axes, rows[rows["participant"].isna()], [place], colour, forest.MARKER)
    each = rows.dropna(subset="participant").set_index("participant").reindex(participants)
    heights = [place + (OWN / 2 + 0.5 + ROW * (row + 0.5)) / whole for row in range(len(each))]
    _draw_rows(axes, each, heights, colour, forest.MARKER / 4)


def _draw_rows(axes: Axes, rows: pd.DataFrame, heights: list[float], colour: str, size: float) -> None:
    """Draw estimates; what has no end, or no value, goes on to an arrow at the right edge."""
    edge = axes.get_xlim()[1]
    forest.estimates(axes, rows.assign(high=rows["high"].fillna(edge)), heights, colour, size=size)
    endless = rows["high"].isna().to_numpy()
    places = np.array(heights)[endless]
    axes.scatter(
        np.full(len(places), edge), places, marker=">", s=size, c=colour, linewidth=0, clip_on=False, zorder=3
    )
