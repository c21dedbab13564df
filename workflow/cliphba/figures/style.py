"""The one style of all figures: sizes of a journal column, one colour for each model, safe for colour-blind eyes."""

from __future__ import annotations

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

MM = 1 / 25.4

#: Colours of Okabe & Ito (https://jfly.uni-koeln.de/color), the same for a model in every figure.
COLOURS = {
    "human": "#000000",
    "clip": "#D55E00",
    "behavior": "#009E73",
    "group": "#0072B2",
    "personal": "#CC79A7",
    "model-free": "#595959",
}
LABELS = {
    "human": "Human judgements",
    "clip": "CLIP",
    "behavior": "Behavior model",
    "group": "Group MEG model",
    "personal": "Personal models",
    "model-free": "Model-free",
    "initial": "Before training",
}
CEILING, FAINT, REFERENCE = "#DCDCDC", "#A8A8A8", "#8C8C8C"

# "default" first, so that nobody's own matplotlibrc changes a figure
applied = matplotlib.style.context(
    [
        "default",
        {
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "axes.linewidth": 0.7,
            "xtick.major.width": 0.7,
            "ytick.major.width": 0.7,
            "lines.linewidth": 1.4,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "savefig.dpi": 200,
            "svg.hashsalt": "cliphba",
        },
    ]
)


def new_figure(width_mm: float, height_mm: float, *, note: str | None) -> Figure:
    """Make an empty figure of a size in print, with a note such as "simulated data" at its lower edge."""
    strip = 5 / height_mm if note else 0
    layout = ConstrainedLayoutEngine(rect=(0, strip, 1, 1 - strip))
    figure = Figure(figsize=(width_mm * MM, height_mm * MM), layout=layout)
    if note:
        figure.text(0.99, 0.01, note, ha="right", va="bottom", fontsize=7, style="italic", color=REFERENCE)
    return figure


def time_axis(axes: Axes, times_ms: NDArray[np.float64]) -> None:
    """Label a time axis, trim it to the samples and mark picture onset."""
    axes.set_xlabel("Time from picture onset (ms)")
    axes.set_xlim(times_ms.min(), times_ms.max())
    axes.axvline(0, color=REFERENCE, linewidth=0.7, linestyle="--", zorder=0.5)


def reference_line(axes: Axes, value: float) -> None:
    """Draw the line of nothing there: zero correlation, chance."""
    axes.axhline(value, color=REFERENCE, linewidth=0.7, zorder=0.5)


def interval(value: float, low: float, high: float) -> str:
    """Write an estimate with its 95 % interval."""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "\N{MINUS SIGN}")


def probability(p: float) -> str:
    """Write a p value; not-a-number where there are too few people for any."""
    if np.isnan(p):
        return "too few for a test"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def spread(positions: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Move labels apart along an axis until neighbours are `gap` from each other, keeping their order and centre."""
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(len(positions))
    level = np.maximum.accumulate(positions[order] - steps)
    apart = level + steps
    apart += (positions - apart.mean()).mean()
    placed = np.empty_like(positions)
    placed[order] = apart
    return placed
