"""Figure: when, in which dimensions and in which blocks of the vision tower people differ."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cliphba.evaluate.differences import AGREEMENT, BLOCK, DIMENSION, HELD_OUT, TIME
from cliphba.evaluate.second_order import LEAST_PARTICIPANTS
from cliphba.figures import forest, stated, style

COLOUR = style.COLOURS["personal"]
#: Dimensions shown at most, rows for which there is room at least, and the height of one in mm.
MOST, LEAST, ROW = 20, 11, 4.2
ABOVE, AROUND = 52, 26
TESTED = f"Filled dots: q < {style.LEVEL}, hollow ones: not."


@style.applied
def draw(differences: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show what tells people apart in recordings that no model saw.

    Parameters
    ----------
    differences
        Table of kind ``differences``; its metadata say how many images there were, and what they are (``settings``).
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Above, the margin of identification over time. Below, how much of it is lost when a dimension is made the same
        in all models; how much the weights of each block differ between people, and whether as their recordings do.
        Filled dots: q < 0.05.
    """
    times, dimensions, blocks = (differences[differences["aspect"] == aspect] for aspect in (TIME, DIMENSION, BLOCK))
    dimensions = dimensions.sort_values("value", ascending=False, kind="stable")
    rows = max(LEAST, min(MOST, len(dimensions)), blocks["item"].nunique())
    figure = style.new_figure(180, ABOVE + AROUND + ROW * rows, note=note)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(ABOVE, AROUND + ROW * rows)).flat
    _draw_times(top.subplots(), times)
    lost, spread, agreement = bottom.subplots(1, 3, width_ratios=(1.5, 1, 1))
    _draw_dimensions(lost, dimensions)
    _draw_spread(spread, blocks[blocks["quantity"] == "spread of weights"])
    agreement.set_xlabel(f"Agreement with\n{stated.meg(differences)} (ρ)")
    _draw_agreement(agreement, blocks[blocks["quantity"].isin([HELD_OUT, AGREEMENT])])
    style.headline(figure, f"Lines: 95 % intervals over {stated.images(differences)}. {TESTED}")
    return figure


def _draw_times(axes: Axes, margins: pd.DataFrame) -> None:
    style.curve(axes, margins, COLOUR)
    style.reference_line(axes, 0)
    style.time_axis(axes, margins["time_ms"].to_numpy())
    style.significance_bars(axes, [(margins, COLOUR)])
    axes.set_ylabel("Identification margin (ρ)")
    axes.set_title("When: own models fit better than those of others", loc="left")


def _draw_dimensions(axes: Axes, dimensions: pd.DataFrame) -> None:
    shown = dimensions.head(MOST)
    _draw_tested(axes, shown)
    forest.rows(axes, [str(item) for item in shown["item"]])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("Margin lost (ρ)")
    several = f"{len(shown)} of {len(dimensions)}" if len(shown) < len(dimensions) else f"all {len(shown)}"
    axes.set_title(f"In which dimensions ({several})", loc="left")


def _draw_spread(axes: Axes, spread: pd.DataFrame) -> None:
    axes.barh(range(len(spread)), spread["value"], height=0.4, color=style.FAINT)
    forest.rows(axes, [str(block) for block in spread["item"]])
    axes.set_xlabel("Spread of weights\n(SD over people)")
    axes.set_ylabel("Vision block (input to output)")
    axes.set_title("In which blocks", loc="left")


def _draw_agreement(axes: Axes, agreement: pd.DataFrame) -> None:
    if agreement.empty:
        axes.text(
            0.5, 0.5, f"needs {LEAST_PARTICIPANTS} or more\nparticipants", ha="center", va="center",
            transform=axes.transAxes,
        )  # fmt: skip
        axes.set(xticks=[], yticks=[])
        return
    _draw_tested(axes, agreement)
    forest.rows(axes, [str(block) for block in agreement["item"]])
    axes.set_xlim(-1, 1)
    axes.set_title("Weights and brains", loc="left")


def _draw_tested(axes: Axes, found: pd.DataFrame) -> None:
    """Draw estimates, filled where they are significant after correction."""
    forest.reference(axes, 0)
    forest.estimates(axes, found.assign(significant=found["q"] < style.LEVEL), range(len(found)), COLOUR)
