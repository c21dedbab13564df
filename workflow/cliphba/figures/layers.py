"""Figure: which vision block is like the brain at which time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import stated, style


@style.applied
def draw(alignment: pd.DataFrame, latency: pd.DataFrame, summary: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the alignment of every vision block over time and when it peaks, a panel a model.

    Parameters
    ----------
    alignment
        Table of kind ``layer_alignment``; its metadata say how many images there were (``images``) and whether they
        were held out (``settings``, ``evaluated_on``).
    latency
        Table of kind ``layer_latency``.
    summary
        Table of kind ``summary``, for whether later blocks peak later.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Means over participants on a common scale, underlined where they differ from zero; dots and bars are peaks
        with their 95 % intervals.
    """
    means = alignment[alignment["participant"].isna()]
    peaks = latency[latency["participant"].isna() & (latency["quantity"] == "peak")]
    models = list(means["model"].unique())
    figure = style.new_figure(30 + 75 * len(models), 74, note=note)
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    scale = {"cmap": "YlGnBu", "vmin": 0, "vmax": means["rho"].max()}
    for axes, model in zip(panels, models, strict=True):
        rows = means[means["model"] == model]
        rho, p = (rows.pivot(index="block", columns="time_ms", values=value) for value in ("rho", "p"))
        image = style.heat_map(axes, rho, **scale)
        style.block_axis(axes, rho.index.to_numpy())
        _underline(axes, p)
        _mark_peaks(axes, peaks[peaks["model"] == model])
        axes.set_title(_title(model, summary))
    panels[0].set_ylabel("Vision block (input to output)")
    people, images = alignment["participant"].nunique(), stated.images(alignment)
    legend = f"Underlined: p < {style.LEVEL}. Dots and bars: peaks with 95 % intervals."
    style.headline(figure, f"{people} participants, {images}. {legend}")
    figure.colorbar(image, ax=panels, label="Alignment with MEG (\N{GREEK SMALL LETTER RHO})", extend="min")
    return figure


def _underline(axes: Axes, p: pd.DataFrame) -> None:
    """Mark what is significant at the lower edge of its row."""
    half = np.diff(p.columns).min() / 2
    block, time = np.nonzero(p.to_numpy() < style.LEVEL)
    times_ms, height = p.columns.to_numpy()[time], p.index.to_numpy()[block] - 0.42
    axes.hlines(height, times_ms - half, times_ms + half, color="black", linewidth=1.5)


def _mark_peaks(axes: Axes, peaks: pd.DataFrame) -> None:
    axes.hlines(peaks["block"], peaks["low"], peaks["high"], color="black", linewidth=0.8)
    axes.plot(peaks["value"], peaks["block"], "o", markersize=4, color="white", markeredgecolor="black",
              markeredgewidth=0.8)  # fmt: skip


def _title(model: str, summary: pd.DataFrame) -> str:
    row = summary[(summary["metric"] == "layer_order") & (summary["model"] == model)].iloc[0]
    order = style.interval(row["value"], row["low"], row["high"])
    return f"{style.LABELS[model]}\npeaks against depth: \N{GREEK SMALL LETTER RHO} = {order}"
