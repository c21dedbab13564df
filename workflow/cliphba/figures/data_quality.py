"""Figure: whether each participant's recordings are good enough to learn from."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import forest, stated, style
from cliphba.figures.decoding import in_percent
from cliphba.figures.wording import PART

# Height in mm of a participant's row, and of what stands around the rows.
ROW, AROUND = 5.5, 24
#: Trials kept, in percent, are shown from here or from the worst session on, so that small differences look small.
LEAST_KEPT = 80


@style.applied
def draw(
    trials: Mapping[str, pd.DataFrame],
    decoding: pd.DataFrame,
    reliability: pd.DataFrame,
    *,
    note: str | None = None,
) -> Figure:
    """Show trials kept, decoding and the reliability of RDMs, a row a participant.

    Parameters
    ----------
    trials
        Participant to table of kind ``trials``.
    decoding
        Table of kind ``decoding``.
    reliability
        Table of kind ``reliability``; its metadata say what the halves are made of, unless it is sessions.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        From left to right: share of trials kept in each session, or whatever halves are made of; the highest mean
        dissimilarity of all times; correlation of the RDMs of the two halves at each time.
    """
    figure = style.new_figure(180, AROUND + ROW * len(trials), note=note)
    kept, peak, halves = figure.subplots(1, 3, width_ratios=(1, 1, 2.2), sharey=True)
    of = stated.parts(reliability) or "sessions"
    _draw_trials(kept, trials)
    kept.set_title(f"A mark each {PART[of]}", loc="left")
    _draw_peaks(peak, decoding, list(trials))
    _draw_reliability(halves, reliability, list(trials))
    halves.set_title(f"Correlation of RDMs of two halves of the {of}", loc="left")
    forest.rows(kept, list(trials))
    for axes in (peak, halves):
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure


def _draw_trials(axes: Axes, trials: Mapping[str, pd.DataFrame]) -> None:
    for row, sessions in enumerate(trials.values()):
        share = 100 * sessions["kept"] / sessions["recorded"]
        axes.plot(share, [row] * len(share), "|", color="black", markersize=9, markeredgewidth=0.8)
    axes.set_xlim(min(axes.get_xlim()[0], LEAST_KEPT), 100)
    axes.set_xlabel("Trials kept (%)")


def _draw_peaks(axes: Axes, decoding: pd.DataFrame, participants: list[str]) -> None:
    shown = in_percent(decoding)
    over_time = shown.groupby(["participant", "time_ms"])["value"].mean()
    peaks = over_time.groupby("participant").max()[participants]
    axes.scatter(peaks, range(len(peaks)), s=forest.MARKER, color="black")
    forest.reference(axes, shown["chance"].iloc[0])
    axes.set_xlabel(shown["quantity"].iloc[0].capitalize())
    axes.set_title("Peak (line: chance)", loc="left")


def _draw_reliability(axes: Axes, reliability: pd.DataFrame, participants: list[str]) -> None:
    courses = reliability.pivot(index="participant", columns="time_ms", values="correlation").loc[participants]
    image = style.heat_map(axes, courses.reset_index(drop=True), cmap="viridis", vmin=0)
    axes.figure.colorbar(image, ax=axes, label="Spearman ρ", extend="min")
