"""Figure: whether the geometry of one moment is that of another, in the model and in the brain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import stated, style

PANELS = {
    "group": ("Group MEG model", "Time in the model (ms)", "Time in the model (ms)"),
    "MEG": (
        "MEG, half against other half",
        "Time in one half (ms)",
        "Time in the other half (ms)",
    ),
    "MEG with itself": ("MEG with itself", "Time in the MEG (ms)", "Time in the MEG (ms)"),
    "group with MEG": ("Group MEG model against MEG", "Time in the MEG (ms)", "Time in the model (ms)"),
}


@style.applied
def draw(generalisation: pd.DataFrame, summary: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the correlation of RDMs at all pairs of times: in the model, in recordings, of the one with the other.

    Parameters
    ----------
    generalisation
        Table of kind ``generalisation``; its metadata say how many ``participants`` and ``images`` there were, and
        whether these were held out (``settings``, ``evaluated_on``).
    summary
        Table of kind ``summary``, for how alike the first two are, and its noise ceiling.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        A square heat map each, on scales of their own; white where a model has no value.
    """
    figure = style.new_figure(180, 90, note=note)
    shown = {source: rows for source in PANELS if len(rows := generalisation[generalisation["source"] == source])}
    for axes, (source, rows) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        title, across, upwards = PANELS[source]
        wide = rows.pivot(index="time_ms", columns="other_time_ms", values="value")
        image = style.heat_map(axes, wide, cmap="viridis", vmin=0, vmax=wide.max(axis=None))
        _square(axes, wide)
        axes.set(title=title, xlabel=across, ylabel=upwards)
        # below zero there is noise alone
        figure.colorbar(
            image, ax=axes, location="bottom", label="Correlation of RDMs (\N{GREEK SMALL LETTER RHO})", extend="min"
        )
    people, images = generalisation.attrs["participants"], stated.images(generalisation)
    style.headline(figure, f"{people} participants, {images}. {_likeness(summary)}")
    return figure


def _square(axes: Axes, wide: pd.DataFrame) -> None:
    """Give both axes the same ticks and onsets."""
    axes.axhline(0, color=style.REFERENCE, linewidth=0.7, linestyle="--")
    axes.set_aspect("equal")
    axes.set_yticks([tick for tick in axes.get_xticks() if wide.index.min() <= tick <= wide.index.max()])
    axes.spines[:].set_visible(False)


def _likeness(summary: pd.DataFrame) -> str:
    rows = summary[summary["metric"] == "generalisation_likeness"].set_index("model")[["value", "low", "high"]]
    found = dict(zip(rows.index, rows.to_numpy(dtype=np.float64), strict=True))
    interval, lower, upper = style.interval(*found["group"]), found["lower ceiling"][0], found["upper ceiling"][0]
    return f"Likeness of the first two: r = {interval}; noise ceiling {lower:.2f} to {upper:.2f}."
