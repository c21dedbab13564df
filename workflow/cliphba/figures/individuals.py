"""Figure: how the model of each person follows that person's brain."""

from __future__ import annotations

from math import ceil

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cliphba.figures import forest, stated, style

# Participants side by side; height in mm of a row of them, of a row of the forest plot, and of what is around either.
LARGEST_ROW, PANEL, ROW, AROUND = 5, 34, 4.5, 20
GAIN = "personal - group"


@style.applied
def draw(
    alignment: pd.DataFrame,
    group: pd.DataFrame,
    ceiling: pd.DataFrame,
    contrast: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    note: str | None = None,
) -> Figure:
    """Show the alignment of each personal model with its own participant, beside the group model.

    Parameters
    ----------
    alignment
        Table of kind ``alignment`` of personal models; its metadata say how many images there were (``images``) and
        whether they were held out.
    group
        Table of kind ``alignment`` of the group model.
    ceiling
        Table of kind ``ceiling``; those of single participants may be missing.
    contrast
        Table of kind ``contrast``: personal minus group model.
    summary
        Table of kind ``summary``, for the gain in area.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        A panel a participant: own and group model, with the participant's own noise ceiling as a band. Below, the
        mean gain over time, and the gain in area of each participant.
    """
    people = sorted(alignment["participant"].dropna().unique())
    lines = ceil(len(people) / LARGEST_ROW)
    columns = ceil(len(people) / lines)
    above, below = AROUND + PANEL * lines, AROUND + max(ROW * (len(people) + 1), PANEL)
    figure = style.new_figure(180, above + below, note=note)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(above, below)).flat
    panels = list(top.subplots(lines, columns, squeeze=False).flat)
    for axes, person in zip(panels, people, strict=False):
        _draw_person(axes, person, alignment, group, ceiling)
    _share(panels[: len(people)], alignment, people, columns)
    for axes in panels[len(people) :]:
        axes.set_axis_off()
    _label(top, alignment, own_ceiling=bool(ceiling["participant"].notna().any()))
    course, gains = bottom.subplots(1, 2)
    _draw_course(course, contrast[contrast["contrast"] == GAIN])
    _draw_gains(gains, summary[summary["metric"] == "own_alignment_gain"], people)
    return figure


def _draw_person(
    axes: Axes, person: str, alignment: pd.DataFrame, group: pd.DataFrame, ceiling: pd.DataFrame
) -> None:
    own = ceiling[ceiling["participant"] == person]
    if len(own):
        style.ceiling_band(axes, own, label=None)
    shared = group[(group["model"] == "group") & (group["participant"] == person)]
    style.curve(axes, shared, style.COLOURS["group"], value="rho")
    style.curve(axes, _own(alignment, person), style.COLOURS["personal"], value="rho")
    style.reference_line(axes, 0)
    axes.set_title(person, loc="left")


def _own(alignment: pd.DataFrame, person: str) -> pd.DataFrame:
    """Rows of a participant's own model on the participant."""
    return alignment[(alignment["model"] == person) & (alignment["participant"] == person)]


def _share(panels: list[Axes], alignment: pd.DataFrame, people: list[str], columns: int) -> None:
    """Give all panels the same axes, significance bars below all curves, and labels at the edges only."""
    times_ms = alignment["time_ms"].to_numpy()
    style.share_heights(panels)
    for place, (axes, person) in enumerate(zip(panels, people, strict=True)):
        style.significance_bars(axes, [(_own(alignment, person), style.COLOURS["personal"])], named=False)
        style.time_axis(axes, times_ms)
        axes.set_xlabel("")
        axes.tick_params(labelleft=place % columns == 0, labelbottom=place + columns >= len(people))


def _label(figure: SubFigure, alignment: pd.DataFrame, *, own_ceiling: bool) -> None:
    figure.supxlabel("Time from picture onset (ms)", fontsize=8)
    figure.supylabel(f"Alignment with {stated.meg(alignment)} (ρ)", fontsize=8)
    entries: dict[str, Artist] = {
        "own model": Line2D([], [], color=style.COLOURS["personal"]),
        "group model": Line2D([], [], color=style.COLOURS["group"]),
        **({"own noise ceiling": Patch(color=style.CEILING)} if own_ceiling else {}),
        f"own model p < {style.LEVEL}": Line2D([], [], color=style.COLOURS["personal"], linewidth=3),
    }
    figure.legend(
        list(entries.values()), list(entries), title=stated.images(alignment), title_fontsize=7,
        loc="outside upper center", ncols=len(entries), frameon=False, fontsize=7,
    )  # fmt: skip


def _draw_course(axes: Axes, contrast: pd.DataFrame) -> None:
    """Draw the mean gain over time."""
    mean = contrast[contrast["participant"].isna()]
    style.curve(axes, mean, style.COLOURS["personal"])
    style.reference_line(axes, 0)
    style.time_axis(axes, mean["time_ms"].to_numpy())
    style.significance_bars(axes, [(mean, style.COLOURS["personal"])])
    axes.set_ylabel("Own minus group model (ρ)")
    axes.set_title(f"Mean gain of {contrast['participant'].nunique()} people", loc="left")


def _draw_gains(axes: Axes, gains: pd.DataFrame, people: list[str]) -> None:
    """Draw the gain in area of each participant, with q, and the mean, with both its p."""
    each = gains.set_index("participant").loc[people]
    mean = gains[gains["participant"].isna()].iloc[0]
    colours = [style.COLOURS["personal"]] * len(people) + ["black"]
    forest.estimates(axes, pd.concat([each, mean.to_frame().T]), range(len(colours)), colours)
    forest.rows(axes, [*people, "mean"])
    forest.reference(axes, 0)
    texts = [style.probability(q, "q") for q in each["q"]]
    texts.append(f"{style.probability(mean['p'])} (images)\n{style.probability(mean['p_people'])} (people)")
    forest.remarks(axes, texts)
    axes.set_xlabel("Gain in area (ρ × ms)")
