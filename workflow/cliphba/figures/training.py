"""Figure: how every training went, and which epoch of it was kept."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from cliphba.figures import style

#: Colours of Okabe & Ito that no model has; the first is drawn on top.
PARTS = {"pattern": "#000000", "magnitude": "#E69F00", "generalisation": "#56B4E9"}
START = "start = 1"
STAGES = "Epoch (stage 1 | stage 2)"
# Participants side by side, and the gap between the stages of a panel as a share of a stage's width.
LARGEST_ROW, GAP = 6, 0.15
TRAINING: dict[str, Any] = {"color": style.FAINT, "linewidth": 0.9}
KEPT: dict[str, Any] = {"marker": "o", "markersize": 3.5, "markerfacecolor": "white", "linestyle": "none"}

Panels = NDArray[Any]
Numbers = TypeVar("Numbers", float, "pd.Series[float]")


@style.applied
def draw(logs: Mapping[str, pd.DataFrame], *, note: str | None = None) -> Figure:
    """Show the losses of every training by epoch, with the epochs that were kept.

    Parameters
    ----------
    logs
        Model to its table of kind ``training``: ``behavior``, if it was trained, ``group`` and every participant.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        The Behavior model's loss as it is; the losses of MEG models, and their parts, relative to those of validation
        before training. The stages of a training have an axis of epochs each; participants share all axes.
    """
    personal = {name: log for name, log in logs.items() if name not in ("behavior", "group")}
    rows = ceil(len(personal) / LARGEST_ROW)
    figure = style.new_figure(180, 76 + 52 * rows, note=note)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(54, 14 + 52 * rows)).flat
    *behavior, loss, parts = top.subplots(1, 3 if "behavior" in logs else 2)
    for axes in behavior:
        _draw_behavior(axes, logs["behavior"])
    _draw_group([loss, parts], logs["group"])
    _draw_personal(bottom, personal, rows)
    _add_legend(figure, [model for model in ("behavior", "group", "personal") if model in {*logs, "personal"}])
    return figure


def _draw_behavior(axes: Axes, log: pd.DataFrame) -> None:
    _draw_losses(axes, log.assign(place=log["epoch"]), style.COLOURS["behavior"])
    _logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_title(style.LABELS["behavior"], loc="left")
    axes.set(xlabel="Epoch", ylabel="Mean squared error")


def _draw_group(panels: list[Axes], log: pd.DataFrame) -> None:
    _draw_models(np.array(panels)[:, None], [log], style.COLOURS["group"])
    for axes, label in zip(panels, ("Loss", "Parts"), strict=True):
        axes.set(xlabel=STAGES, ylabel=f"{label} ({START})")
    panels[0].set_title(style.LABELS["group"], loc="left")
    panels[1].set_title("Parts of its validation loss", loc="left")


def _draw_personal(figure: SubFigure, logs: Mapping[str, pd.DataFrame], rows: int) -> None:
    """Draw a column a participant, losses above their parts; as many columns in a row as fit."""
    columns = ceil(len(logs) / rows)
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    panels = np.hstack(np.vsplit(grid, rows))
    _draw_models(panels, list(logs.values()), style.COLOURS["personal"])
    for axes, name in zip(panels[0], logs, strict=False):
        axes.set_title(name, loc="left")
        axes.tick_params(labelbottom=False)
    for axes in grid[:, 1:].flat:
        axes.tick_params(labelleft=False)
    for loss, parts in grid[:, 0].reshape(rows, 2):
        loss.set_ylabel("Loss")
        parts.set_ylabel("Parts")
    figure.suptitle(f"{style.LABELS['personal']} ({START})", x=0.01, ha="left", fontsize=8)
    figure.supxlabel(STAGES, fontsize=8)


def _draw_models(panels: Panels, logs: list[pd.DataFrame], colour: str) -> None:
    """Draw losses and parts of each model into its column of panels (2, at least models) on common axes."""
    last = pd.concat(logs).groupby("stage")["epoch"].max().clip(lower=1)
    lengths = dict(zip(last.index, last, strict=True))
    for row in panels:
        for axes in row[1:]:
            axes.sharex(row[0])
            axes.sharey(row[0])
    for (loss, parts), log in zip(panels.T, logs, strict=False):
        placed = _relative(log).assign(place=_place(log["stage"], log["epoch"] / log["stage"].map(lengths)))
        _draw_losses(loss, placed, colour)
        _draw_parts(parts, placed[placed["split"] == "validation"])
        for axes in (loss, parts):
            _separate_stages(axes, lengths)
    _logarithmic(panels[1, 0])
    for axes in panels[:, len(logs) :].flat:
        axes.set_axis_off()


def _relative(log: pd.DataFrame) -> pd.DataFrame:
    """Divide losses by those of validation before training."""
    losses = ["total", *PARTS]
    start = log.loc[(log["stage"] == 1) & (log["epoch"] == 0), losses].iloc[0]
    return log.assign(**log[losses] / start)


def _place(stage: Numbers, share: Numbers) -> Numbers:
    """Place epochs, as shares of their stage, on an axis on which all stages are equally wide."""
    return (stage - 1) * (1 + GAP) + share


def _draw_losses(axes: Axes, log: pd.DataFrame, colour: str) -> None:
    for _, stage in log.groupby("stage"):
        training, validation = (stage[stage["split"] == split] for split in ("train", "validation"))
        axes.plot(training["place"], training["total"], **TRAINING)
        axes.plot(validation["place"], validation["total"], color=colour, linewidth=1.1)
        kept = validation.iloc[int(validation["total"].argmin())]
        axes.plot(kept["place"], kept["total"], color=colour, **KEPT)


def _draw_parts(axes: Axes, log: pd.DataFrame) -> None:
    for _, stage in log.groupby("stage"):
        for part, colour in reversed(PARTS.items()):
            axes.plot(stage["place"], stage[part], color=colour, linewidth=0.9)


def _logarithmic(axes: Axes) -> None:
    """Scale by the logarithm, with at least three labels even where losses span less than a decade."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    choices = [np.multiply.outer(decades, steps).ravel() for steps in ((1,), (1, 3), (1, 2, 5))]
    for ticks in [*choices, MaxNLocator(4).tick_values(low, high)]:
        within = ticks[(low <= ticks) & (ticks <= high)]
        if len(within) >= 3:
            break
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(within, [f"{tick:g}" for tick in within])


def _separate_stages(axes: Axes, lengths: Mapping[int, int]) -> None:
    """Give each stage its own ticks; none so near its end that it meets the next stage's zero."""
    ticks: dict[float, str] = {}
    for stage, length in lengths.items():
        last = length if stage == max(lengths) else 0.85 * length
        epochs = MaxNLocator(2, integer=True).tick_values(0, length)
        ticks |= {_place(stage, epoch / length): f"{epoch:g}" for epoch in epochs if epoch <= last}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.axvline(1 + GAP / 2, color=style.REFERENCE, linewidth=0.7, linestyle="--", zorder=0.5)
    style.reference_line(axes, 1)


def _add_legend(figure: Figure, models: list[str]) -> None:
    entries: dict[str, Any] = {
        "training": Line2D([], [], **TRAINING),
        "validation": tuple(Line2D([], [], color=style.COLOURS[model], linewidth=1.1) for model in models),
        "kept epoch": Line2D([], [], color="black", **KEPT),
        **{f"{part} part": Line2D([], [], color=colour, linewidth=0.9) for part, colour in PARTS.items()},
    }
    figure.legend(
        list(entries.values()), list(entries), loc="outside upper center", ncols=len(entries), frameon=False,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0)}, fontsize=7,
    )  # fmt: skip
