"""Figure: when models of MEG agree with human judgements."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.figures import style

STATIC = ("clip", "behavior")


@style.applied
def draw(course: pd.DataFrame, summary: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the agreement of MEG models with human judgements over time, beside models without time course.

    Parameters
    ----------
    course
        Table of kind ``behavior_course``; its metadata say how many images there were (``images``).
    summary
        Table of kind ``summary``, for the correlations of static models and the noise ceiling.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        The group model as a thick line, personal models as thin ones, CLIP and the Behavior model as horizontal ones.
        Shades: 95 % intervals; grey band: noise ceiling of the human RDM.
    """
    figure = style.new_figure(130, 84, note=note)
    axes = figure.subplots()
    rows = summary[summary["metric"] == "behavior_rho"].set_index("model")
    found = rows[["value", "low", "high"]].astype(np.float64)
    personal = course[course["model"] != "group"].pivot(index="time_ms", columns="model", values="value")
    group = course[course["model"] == "group"].sort_values("time_ms")
    _draw_static(axes, found)
    axes.plot(personal.index, personal, color=style.COLOURS["personal"], linewidth=0.7)
    style.curve(axes, group, style.COLOURS["group"])
    style.reference_line(axes, 0)
    style.time_axis(axes, group["time_ms"].to_numpy())
    axes.set_ylabel("Agreement with human judgements\n(Spearman ρ)")
    axes.set_title(_title(personal.shape[1], course.attrs["images"]), loc="left")
    ends = {name: found["value"][name] for name in STATIC}
    ends |= {"group": float(group["value"].iloc[-1]), "personal": float(personal.iloc[-1].mean())}
    style.name_models(axes, ends)
    return figure


def _draw_static(axes: Axes, found: pd.DataFrame) -> None:
    """Draw what has no time course as lines from edge to edge."""
    if "lower ceiling" in found.index:
        lower, upper = found["value"][["lower ceiling", "upper ceiling"]]
        axes.axhspan(lower, upper, color=style.CEILING, linewidth=0, zorder=0.2)
        axes.annotate(
            "noise ceiling", (0.01, lower), xycoords=axes.get_yaxis_transform(), xytext=(0, -2),
            textcoords="offset points", va="top", color=style.COLOURS["model-free"], fontsize=7,
        )  # fmt: skip
    for name in STATIC:
        axes.axhspan(*found.loc[name, ["low", "high"]], color=style.COLOURS[name], alpha=0.2, linewidth=0)
        axes.axhline(found["value"][name], color=style.COLOURS[name])


def _title(people: int, images: int) -> str:
    return f"{images} held-out images; models of a group and of {people} people"
