"""Figure: how models follow the brain's representation of images over time."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import style

MODELS = ("clip", "behavior", "group")


@style.applied
def draw(
    alignment: pd.DataFrame, ceiling: pd.DataFrame, *, stimuli: int, held_out: bool = True, note: str | None = None
) -> Figure:
    """Show the alignment of CLIP, the behaviour model and the group model over time, with the noise ceiling.

    Parameters
    ----------
    alignment
        Table of kind ``alignment``.
    ceiling
        Table of kind ``ceiling``.
    stimuli
        Number of images.
    held_out
        Whether no training saw these images and measurements.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Lines are means over participants, shades their 95 % intervals, the grey band the noise ceiling.
    """
    ceiling = ceiling[ceiling["participant"].isna()].pivot(index="time_ms", columns="bound", values="value")
    figure = style.new_figure(130, 80, note=note)
    axes = figure.subplots()
    axes.fill_between(ceiling.index, ceiling["lower"], ceiling["upper"], color=style.CEILING, linewidth=0, zorder=0.2)
    means = alignment[alignment["participant"].isna()]
    for model in MODELS:
        _curve(axes, means[means["model"] == model].sort_values("time_ms"), style.COLOURS[model])
    style.reference_line(axes, 0)
    style.time_axis(axes, ceiling.index.to_numpy())
    participants = alignment["participant"].nunique()
    seen = "held-out" if held_out else "training"
    axes.set_ylabel(f"Alignment with {seen} MEG (Spearman ρ)")
    axes.set_title(f"{participants} participants, {stimuli} {seen} images; mean and 95 % interval", loc="left")
    _name_lines(axes, means)
    _name_ceiling(axes, ceiling)
    return figure


def _curve(axes: Axes, curve: pd.DataFrame, colour: str) -> None:
    axes.fill_between(curve["time_ms"], curve["low"], curve["high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(curve["time_ms"], curve["rho"], color=colour)


def _name_lines(axes: Axes, means: pd.DataFrame) -> None:
    """Write each model's name at the right end of its line, where no legend has to be looked up."""
    last = means[means["time_ms"] == means["time_ms"].max()].set_index("model")["rho"].reindex(list(MODELS))
    low, high = axes.get_ylim()
    heights = style.spread(last.to_numpy(), 0.055 * (high - low))
    for model, height in zip(MODELS, heights, strict=True):
        axes.annotate(
            style.LABELS[model], (1.01, height), xycoords=axes.get_yaxis_transform(), va="center",
            color=style.COLOURS[model], annotation_clip=False,
        )  # fmt: skip


def _name_ceiling(axes: Axes, ceiling: pd.DataFrame) -> None:
    upper = ceiling["upper"].to_numpy()
    peak = (ceiling.index.to_numpy()[upper.argmax()], upper.max())
    axes.annotate(
        "noise ceiling", peak, xytext=(6, 0), textcoords="offset points",
        color=style.COLOURS["model-free"], fontsize=7, va="bottom",
    )  # fmt: skip
