"""Figure: whether it is only how complex pictures are that model and brain have in common."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import stated, style
from cliphba.figures.alignment import mean_of

COMPLEXITY, GROUP, WITHOUT = "complexity", "group", "group without complexity"
GREY, BLUE, PALE = style.COLOURS["model-free"], style.COLOURS["group"], "#56B4E9"
#: Colours of Tol (https://sronpersonalpages.nl/~pault) that are no model's.
MEASURES = ("#332288", "#88CCEE", "#999933", "#882255", "#DDCC77")


@style.applied
def draw(
    complexity: pd.DataFrame, alignment: pd.DataFrame, ceiling: pd.DataFrame, *, note: str | None = None
) -> Figure:
    """Show the alignment of complexity over time, and that of the group model with complexity partialled out.

    Parameters
    ----------
    complexity
        Table of kind ``alignment``, of measures of complexity and, if there were images enough, of the group model
        without them; its metadata say how many images there were (``images``) and whether they were held out
        (``settings``, ``evaluated_on``).
    alignment
        Table of kind ``alignment``, of the group model as it is.
    ceiling
        Table of kind ``ceiling``.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Left the single measures (thin) and all together (thick), right the group model with and without. Shades are
        95 % intervals, the grey band is the noise ceiling, bars are times at which a mean differs from zero.
    """
    figure = style.new_figure(180, 78, note=note)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_measures(left, complexity)
    whole, without = mean_of(alignment, GROUP), mean_of(complexity, WITHOUT)
    _draw_group(right, whole, without, ceiling[ceiling["participant"].isna()])
    kept = [(curve, colour) for curve, colour in ((whole, PALE), (without, BLUE)) if len(curve)]
    for axes in (left, right):
        style.reference_line(axes, 0)
        style.time_axis(axes, complexity["time_ms"].to_numpy())
    # bars of both panels last: they extend the axis that both share
    style.significance_bars(right, kept)
    style.significance_bars(left, [(mean_of(complexity, COMPLEXITY), GREY)])
    # names last: how far apart they must stand depends on the range of both panels
    _name_ends(right, whole, without)
    left.set_ylabel("Alignment with MEG (\N{GREEK SMALL LETTER RHO})")
    people = complexity["participant"].nunique()
    left.set_title(f"Complexity: {people} participants, {stated.images(complexity)}", loc="left")
    what = "with and without complexity" if len(without) else "as it is: too few images"
    right.set_title(f"Group MEG model, {what}", loc="left")
    return figure


def _draw_measures(axes: Axes, complexity: pd.DataFrame) -> None:
    singles = [name for name in complexity["model"].unique() if name not in (COMPLEXITY, WITHOUT)]
    for name, colour in zip(singles, MEASURES, strict=True):
        single = mean_of(complexity, name)
        axes.plot(single["time_ms"], single["rho"], color=colour, linewidth=0.8, label=name)
    style.curve(axes, mean_of(complexity, COMPLEXITY), GREY, value="rho")
    axes.lines[-1].set_label("all measures together")
    axes.legend(facecolor="white", edgecolor="none", framealpha=1, fontsize=7, loc="upper left", handlelength=1.5)


def _draw_group(axes: Axes, whole: pd.DataFrame, left: pd.DataFrame, ceiling: pd.DataFrame) -> None:
    style.ceiling_band(axes, ceiling)
    style.curve(axes, left, BLUE, value="rho")
    axes.plot(whole["time_ms"], whole["rho"], color=PALE, linestyle="--")


def _name_ends(axes: Axes, whole: pd.DataFrame, left: pd.DataFrame) -> None:
    curves = {"as it is": whole, "partialled out": left}
    ends = {name: float(curve["rho"].iloc[-1]) for name, curve in curves.items() if len(curve)}
    style.name_curves(axes, ends, {"as it is": PALE, "partialled out": BLUE})
