"""Figure: how results grow with the data that models are trained on."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cliphba.evaluate.efficiency import MINUTES, TRAINING_IMAGES
from cliphba.figures import style

METRICS = {
    "own_alignment_gain": "Gain over group model\n(ρ × ms)",
    "identification_margin": "Identification margin\n(ρ)",
    "identification_accuracy": "Participants identified",
    "behavior_rho": "Agreement with human\njudgements (Spearman ρ)",
}
AMOUNTS = {MINUTES: "Minutes of recording", TRAINING_IMAGES: "Training images"}
MODELS = ("personal", "model-free", "behavior")


@style.applied
def draw(efficiency: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show how personal models grow with recordings and images, and the Behavior model with images.

    Parameters
    ----------
    efficiency
        Table of kind ``data_efficiency``; its metadata say how many ``participants``, ``judges`` and ``images`` there
        were to compare with.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Above, personal models by minutes of recording; below, personal models and the Behavior model by training
        images. Lines join the amounts tried, bars are 95 % intervals.
    """
    figure = style.new_figure(180, 108, note=note)
    grid = figure.subplots(len(AMOUNTS), len(METRICS))
    for row, amount in zip(grid, AMOUNTS, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            shown = efficiency[(efficiency["metric"] == metric) & (efficiency["trained_on"] == amount)]
            if shown.empty:
                axes.set_axis_off()
                continue
            _draw_growth(axes, shown)
            _finish(axes, metric)
            axes.set(xlabel=AMOUNTS[amount], ylabel=METRICS[metric])
    # no model of judgements takes minutes of recording: a panel is free
    _add_legend(grid[0, -1])
    sizes = efficiency.attrs
    style.headline(
        figure, f"{sizes['participants']} participants, {sizes['judges']} judges, {sizes['images']} test images."
    )
    return figure


def _draw_growth(axes: Axes, shown: pd.DataFrame) -> None:
    for model, rows in shown.groupby("model", sort=False):
        ordered, colour = rows.sort_values("amount"), style.COLOURS[str(model)]
        axes.vlines(ordered["amount"], ordered["low"], ordered["high"], color=colour, linewidth=1)
        axes.plot(ordered["amount"], ordered["value"], "o-", color=colour, markersize=4)


def _finish(axes: Axes, metric: str) -> None:
    axes.set_xlim(0, 1.08 * axes.dataLim.x1)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if metric == "identification_accuracy":
        axes.set_ylim(0, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    elif metric != "behavior_rho":
        style.reference_line(axes, 0)


def _add_legend(axes: Axes) -> None:
    handles = [Line2D([], [], color=style.COLOURS[model], marker="o", markersize=4) for model in MODELS]
    names = [style.LABELS[model] for model in MODELS]
    axes.legend(handles, names, loc="center", frameon=False, fontsize=7)
