"""The one style of all figures: sizes of a journal column, one colour for each model, safe for colour-blind eyes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from textwrap import wrap
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

MM = 1 / 25.4
#: Width of a letter of notes, in mm, with some to spare.
LETTER = 1.4

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
    "model-free": "Model-free (recordings)",
    "initial": "Before training",
}
CEILING, FAINT, REFERENCE = "#DCDCDC", "#A8A8A8", "#8C8C8C"
#: What counts as significant.
LEVEL = 0.05
#: Letters of a name that a small panel has room for along its side: not those of sub-BIGMEG1.
SHORT_NAME = 8
#: Height of one row of significance bars, as a share of the axes.
BAR = 0.035

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
    lines = wrap(note or "", int(width_mm / LETTER))
    strip = (2 + 3 * len(lines)) / height_mm if lines else 0
    layout = ConstrainedLayoutEngine(rect=(0, strip, 1, 1 - strip))
    figure = Figure(figsize=(width_mm * MM, height_mm * MM), layout=layout)
    if lines:
        figure.text(
            0.99, 0.01, "\n".join(lines), ha="right", va="bottom", ma="right", fontsize=7, style="italic",
            color=REFERENCE,
        )  # fmt: skip
    return figure


def headline(figure: Figure | SubFigure, text: str) -> None:
    """Write a line above all panels."""
    figure.suptitle(text, fontsize=8, x=0.01, ha="left")


def time_axis(axes: Axes, times_ms: NDArray[np.float64]) -> None:
    """Label a time axis, trim it to the samples and mark picture onset."""
    axes.set_xlabel("Time from picture onset (ms)")
    axes.set_xlim(times_ms.min(), times_ms.max())
    axes.axvline(0, color=REFERENCE, linewidth=0.7, linestyle="--", zorder=0.5)


def heat_map(axes: Axes, wide: pd.DataFrame, **colours: Any) -> QuadMesh:
    """Draw values over time (columns, in ms) as colours, a row each of the index; `colours` go to matplotlib."""
    image = axes.pcolormesh(wide.columns, wide.index, wide, rasterized=True, **colours)
    time_axis(axes, wide.columns.to_numpy())
    axes.lines[-1].set_zorder(image.get_zorder() + 1)
    axes.autoscale(tight=True)
    return image


def block_axis(axes: Axes, blocks: NDArray[np.int64]) -> None:
    """Label at most a dozen vision blocks."""
    axes.set_yticks(blocks[:: int(np.ceil(len(blocks) / 12))])


def reference_line(axes: Axes, value: float) -> None:
    """Draw the line of nothing there: zero correlation, chance."""
    axes.axhline(value, color=REFERENCE, linewidth=0.7, zorder=0.5)


def curve(axes: Axes, course: pd.DataFrame, colour: str, *, value: str = "value", linestyle: str = "-") -> None:
    """Draw a course over time with its 95 % interval as a shade.

    Parameters
    ----------
    axes
        Where.
    course
        Columns time_ms, low, high and that of the value; not-a-number where undefined.
    colour
        Of line and shade.
    value
        Column of the line.
    linestyle
        Of the line.
    """
    ordered = course.sort_values("time_ms")
    axes.fill_between(ordered["time_ms"], ordered["low"], ordered["high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(ordered["time_ms"], ordered[value], color=colour, linestyle=linestyle)


def ceiling_band(axes: Axes, ceiling: pd.DataFrame, label: str | None = "noise ceiling") -> None:
    """Draw the band between the lower and the upper noise ceiling (columns time_ms, bound, value), and name it."""
    bounds = ceiling.pivot(index="time_ms", columns="bound", values="value")
    axes.fill_between(bounds.index, bounds["lower"], bounds["upper"], color=CEILING, linewidth=0, zorder=0.2)
    if label is None:
        return
    upper = bounds["upper"].to_numpy()
    peak = (bounds.index.to_numpy()[np.nanargmax(upper)], np.nanmax(upper))
    axes.annotate(
        label, peak, xytext=(6, 0), textcoords="offset points",
        color=COLOURS["model-free"], fontsize=7, va="bottom",
    )  # fmt: skip


def share_heights(panels: Collection[Axes]) -> None:
    """Give panels the range of values that all of them need together; bars below curves are to be drawn after it."""
    low, high = zip(*(axes.get_ylim() for axes in panels), strict=True)
    for axes in panels:
        axes.set_ylim(min(low), max(high))


def keep_within(axes: Axes, lowest: float, highest: float) -> None:
    """Cut off shades that reach beyond all possible values, as intervals of two or three people may."""
    low, high = axes.get_ylim()
    if low < lowest or high > highest:
        axes.set_ylim(max(low, lowest), min(high, highest))


def make_room_below(axes: Axes, share: float) -> None:
    """Extend axes downwards, by a share of what they will be, without ticks there: for what is not on their scale."""
    low, high = axes.get_ylim()
    ticks = np.asarray(MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high))
    axes.set_yticks(ticks[(low <= ticks) & (ticks <= high)])
    axes.set_ylim(low - (high - low) * share / (1 - share), high)


def significance_bars(axes: Axes, courses: Sequence[tuple[pd.DataFrame, str]], *, named: bool = True) -> None:
    """Draw bars under all curves, a row each, where p is below `LEVEL`.

    Call it when all else is drawn: the axes are extended downwards to make room.

    Parameters
    ----------
    axes
        Where.
    courses
        Of each row, from top to bottom, a table with columns time_ms (evenly spaced) and p, and the bars' colour.
    named
        Whether the level is written beside them.
    """
    room = BAR * (len(courses) + 0.5)
    make_room_below(axes, room)
    for row, (course, colour) in enumerate(courses):
        ordered = course.sort_values("time_ms")
        times_ms = ordered["time_ms"].to_numpy(np.float64)
        half = np.diff(times_ms).min() / 2
        significant = ordered["p"].to_numpy(np.float64) < LEVEL
        axes.fill_between(
            np.stack([times_ms - half, times_ms + half], axis=1).ravel(),
            room - BAR * (row + 0.8),
            room - BAR * (row + 0.2),
            where=np.repeat(significant, 2).tolist(),
            transform=axes.get_xaxis_transform(),
            color=colour,
            linewidth=0,
        )
    if not named:
        return
    axes.annotate(
        f"p < {LEVEL}", (1.01, room / 2), xycoords="axes fraction", va="center", color=REFERENCE, fontsize=7,
        annotation_clip=False,
    )  # fmt: skip


def name_curves(axes: Axes, ends: Mapping[str, float], colours: Mapping[str, str]) -> None:
    """Write names at the right ends of curves, where no legend has to be looked up.

    Parameters
    ----------
    axes
        Where.
    ends
        Name to the height at which its curve ends.
    colours
        Name to colour.
    """
    low, high = axes.get_ylim()
    heights = spread(np.array(list(ends.values())), 0.055 * (high - low))
    for name, height in zip(ends, heights, strict=True):
        axes.annotate(
            name, (1.01, height), xycoords=axes.get_yaxis_transform(), va="center", color=colours[name],
            annotation_clip=False,
        )  # fmt: skip


def name_models(axes: Axes, ends: Mapping[str, float]) -> None:
    """Write the names of models, keys of `LABELS`, at the heights at which their curves end; see `name_curves`."""
    name_curves(
        axes,
        {LABELS[model]: height for model, height in ends.items()},
        {LABELS[model]: COLOURS[model] for model in ends},
    )


def interval(value: float, low: float, high: float, *, decimals: int = 2) -> str:
    """Write an estimate with its 95 % interval; without an upper end it reaches to infinity."""
    end = "\N{INFINITY})" if np.isnan(high) else f"{high:.{decimals}f}]"
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {end}".replace("-", "\N{MINUS SIGN}")


def probability(p: float, name: str = "p") -> str:
    """Write a p value, or one of another name; not-a-number where there are too few people for any."""
    if np.isnan(p):
        return "too few for a test"
    return f"{name} < 0.001" if p < 0.001 else f"{name} = {p:.3f}"


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
