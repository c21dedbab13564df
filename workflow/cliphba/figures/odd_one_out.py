"""Figure: how many single judgements models get right, and of which judges."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.evaluate.odd_one_out import CHANCE
from cliphba.figures import forest, style

#: In this order, before the participants; ceilings are not rows but a band.
ROWS = {"embedding": "Behavioural embedding", "another judge": "Another judge"}
MODELS = ("clip", "behavior", "group")
BOUNDS = ["lower ceiling", "upper ceiling"]


@style.applied
def draw(accuracies: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the share of odd-one-out judgements that each model predicts.

    Parameters
    ----------
    accuracies
        Table of kind ``odd_one_out``; its metadata say how many images there were (``images``).
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        A row a model: its accuracy in all judgements with a 95 % interval, and below it a small dot for each judge.
        The line is chance, the grey band the human ceiling.
    """
    shares = accuracies.assign(**100 * accuracies[["value", "low", "high"]])
    overall, judges = shares[shares["judge"].isna()].set_index("model"), shares.dropna(subset="judge")
    people = [name for name in overall.index if name not in {*MODELS, *ROWS, *BOUNDS}]
    shown = [name for name in (*MODELS, *people, *ROWS) if name in overall.index]
    figure = style.new_figure(130, 26 + 5.5 * len(shown), note=note)
    axes = figure.subplots()
    colours = [style.COLOURS.get(name, style.COLOURS["personal" if name in people else "human"]) for name in shown]
    for row, (name, colour) in enumerate(zip(shown, colours, strict=True)):
        forest.individual_dots(axes, judges.loc[judges["model"] == name, "value"], row, colour)
    forest.estimates(axes, overall.loc[shown], range(len(shown)), colours)
    forest.rows(axes, [_label(name, name in people) for name in shown])
    _draw_references(axes, overall)
    axes.set_xlabel("Judgements predicted (%)")
    # room for the names of the references
    axes.set_ylim(len(shown) + 0.2, -0.6)
    axes.set_title(_title(overall.loc[shown[0], "judgements"], accuracies), loc="left")
    return figure


def _title(judgements: int, accuracies: pd.DataFrame) -> str:
    made = f"{judgements:,} judgements of {accuracies.attrs['images']} held-out images"
    judges = accuracies["judge"].nunique()
    return f"{made}, {judges} judges (small dots)" if judges else made


def _label(name: str, personal: bool) -> str:
    return f"Model of {name}" if personal else ROWS.get(name, style.LABELS.get(name, name))


def _draw_references(axes: Axes, overall: pd.DataFrame) -> None:
    forest.reference(axes, 100 * CHANCE)
    axes.set_xlim(left=min(100 * CHANCE - 6, axes.get_xlim()[0]))
    _name(axes, 100 * CHANCE, "chance", "right")
    if set(BOUNDS) <= set(overall.index):
        lower, upper = overall.loc[BOUNDS, "value"]
        axes.axvspan(lower, upper, color=style.CEILING, linewidth=0, zorder=0.2)
        axes.set_xlim(right=max(upper + 2, axes.get_xlim()[1]))
        _name(axes, (lower + upper) / 2, "human ceiling", "center")


def _name(axes: Axes, place: float, name: str, alignment: str) -> None:
    axes.annotate(
        name, (place, 0), xycoords=axes.get_xaxis_transform(), xytext=(-2, 2), textcoords="offset points",
        ha=alignment, va="bottom", color=style.COLOURS["model-free"], fontsize=7,
    )  # fmt: skip
