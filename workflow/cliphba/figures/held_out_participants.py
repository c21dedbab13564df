"""Figure: whether the group model holds for people whom it has never seen."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.evaluate.held_out_participants import HELD_OUT
from cliphba.figures import forest, style

LABELS = {
    HELD_OUT: "Group model without\nthe person",
    "group": "Group model with\nthe person",
    **{name: style.LABELS[name] for name in ("behavior", "clip")},
}
COLOURS = {**style.COLOURS, HELD_OUT: style.COLOURS["group"]}


@style.applied
def draw(areas: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the alignment of group models with people whom they have and have not seen, beside models of nobody.

    Parameters
    ----------
    areas
        Table of kind ``held_out_participants``.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Left, area under the alignment of each model; right, by how much that of the group model without the person
        exceeds it. Large dots are means with 95 % intervals, small dots participants.
    """
    figure = style.new_figure(180, 70, note=note)
    own, difference = figure.subplots(1, 2)
    of_model = {name: areas[areas["model"] == name] for name in (HELD_OUT, "group", "behavior", "clip")}
    _draw_rows(own, of_model)
    forest.rows(own, [LABELS[name] for name in of_model])
    own.set_xlabel("Area under alignment (ρ × ms)")
    people, images = areas["participant"].nunique(), areas["images"].iloc[0]
    own.set_title(f"{people} participants, {images} test images", loc="left")

    against = {name: areas[areas["model"] == f"{HELD_OUT} - {name}"] for name in ("group", "behavior", "clip")}
    _draw_rows(difference, against)
    forest.rows(difference, [LABELS[name] for name in against])
    forest.remarks(difference, [_tested(rows) for rows in against.values()])
    difference.set_xlabel("Difference in area (ρ × ms)")
    difference.set_title("Group model without the person, minus:", loc="left")
    return figure


def _draw_rows(axes: Axes, found: dict[str, pd.DataFrame]) -> None:
    forest.reference(axes, 0)
    for row, (name, rows) in enumerate(found.items()):
        mean = rows["participant"].isna()
        forest.individual_dots(axes, rows.loc[~mean, "value"].to_list(), row, COLOURS[name])
        forest.estimates(axes, rows[mean], [row], COLOURS[name])


def _tested(rows: pd.DataFrame) -> str:
    mean = rows[rows["participant"].isna()].iloc[0]
    return f"{style.probability(mean['p'])} (images)\n{style.probability(mean['p_people'])} (people)"
