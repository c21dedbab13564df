"""Figure: whose brain a personal model fits best."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cliphba.figures import stated, style

#: Names of more participants than this would touch each other, were they not upright.
SLANTED = 8
ROWS = {"personal": "Model of", "model-free": "MEG in the other half of"}


@style.applied
def draw(identification: pd.DataFrame, summary: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the double-centred alignment of everyone's model with everyone's held-out MEG, and its model-free twin.

    Parameters
    ----------
    identification
        Table of kind ``identification``; its metadata say whether images were held out (``settings``,
        ``evaluated_on``).
    summary
        Table of kind ``summary``, for accuracies and p.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Beside models stands the other half of the recordings, if there is one. Own cells are outlined, the greatest
        cell of each row has a dot: a dot in an outline is a person identified.
    """
    sources = [source for source in ROWS if source in set(identification["source"])]
    figure = style.new_figure(90 * len(sources), 90, note=note)
    for axes, source in zip(figure.subplots(1, len(sources), squeeze=False)[0], sources, strict=True):
        cells = identification[identification["source"] == source]
        matrix = cells.pivot(index="model", columns="participant", values="centred")
        largest = np.abs(matrix.to_numpy()).max()
        image = axes.imshow(matrix, cmap="PuOr_r", vmin=-largest, vmax=largest)
        _mark(axes, matrix)
        _name(axes, matrix)
        axes.set(xlabel=f"{_capital(stated.meg(identification))} of", ylabel=ROWS[source])
        axes.set_title(_title(source, matrix, summary))
        figure.colorbar(image, ax=axes, label="Alignment, double-centred (ρ)", shrink=0.7)
    gap = " " if len(sources) > 1 else "\n"
    marks = "Outlined: own participant. Dot: greatest of its row."
    style.headline(figure, f"{stated.images(identification)}.{gap}{marks}")
    return figure


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _mark(axes: Axes, matrix: pd.DataFrame) -> None:
    participants = range(len(matrix))
    for own in participants:
        outline = Rectangle((own - 0.5, own - 0.5), 1, 1, fill=False, linewidth=1.2, zorder=3, clip_on=False)
        axes.add_patch(outline)
    best = matrix.to_numpy().argmax(axis=1)
    axes.plot(best, participants, "o", markersize=5, color="white", markeredgecolor="black", markeredgewidth=0.8)


def _name(axes: Axes, matrix: pd.DataFrame) -> None:
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(matrix) <= SLANTED else {"rotation": 90}
    axes.set_xticks(range(len(matrix)), matrix.columns, **slant)
    axes.set_yticks(range(len(matrix)), matrix.index)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _title(source: str, matrix: pd.DataFrame, summary: pd.DataFrame) -> str:
    rows = summary[(summary["model"] == source) & summary["participant"].isna()]
    found = dict(zip(rows["metric"], rows[["value", "p"]].to_numpy(dtype=np.float64), strict=True))
    (accuracy, accuracy_p), (margin, margin_p) = found["identification_accuracy"], found["identification_margin"]
    identified = f"{round(accuracy * len(matrix))} of {len(matrix)} identified, {style.probability(accuracy_p)}"
    told = f"margin {margin:.3f}".replace("-", "\N{MINUS SIGN}")
    return f"{style.LABELS[source]}\n{identified}\n{told}, {style.probability(margin_p)}"
