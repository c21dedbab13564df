"""Figure: what was found, on one page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cliphba.evaluate.alignment import LOWER, UPPER
from cliphba.evaluate.findings import LABELS
from cliphba.evaluate.odd_one_out import CHANCE
from cliphba.figures import forest, style

MODEL_LABELS = {
    **style.LABELS,
    "behavior - clip": "Behavior − CLIP",
    "group - clip": "Group − CLIP",
    "group - behavior": "Group − Behavior",
    "personal - group": "Personal − group",
    "another judge": "Another judge",
}


@dataclass(frozen=True)
class Block:
    """Findings of one unit, on one scale.

    Attributes
    ----------
    title
        What was measured, with its unit.
    metric
        The first metric; noise ceilings are those of this one.
    models
        Shown of it.
    more
        Metric and model of what else is shown below: differences.
    reference
        Where there is nothing; not given: one in as many as there are participants.
    decimals
        Of the values.
    """

    title: str
    metric: str
    models: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()
    reference: float | None = 0
    decimals: int = 2

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Metric and model of each row, from top to bottom."""
        return [*((self.metric, model) for model in self.models), *self.more]


MODELS, PEOPLE = ("clip", "behavior", "group"), ("personal", "model-free")
BLOCKS = (
    Block(
        "Agreement with human judgements (Spearman ρ)",
        "behavior_rho",
        MODELS,
        (("behavior_rho_difference", "behavior - clip"),),
    ),
    Block("Odd one out (share of judgements predicted)", "odd_one_out_accuracy", MODELS, reference=CHANCE),
    Block(
        "Alignment with MEG, area (ρ × ms)",
        "alignment_auc",
        MODELS,
        (
            ("alignment_auc_difference", "group - clip"),
            ("alignment_auc_difference", "group - behavior"),
            ("own_alignment_gain", "personal - group"),
        ),
        decimals=1,
    ),
    Block("Participants identified (share)", "identification_accuracy", PEOPLE, reference=None),
    Block("Identification margin (ρ)", "identification_margin", PEOPLE, decimals=3),
    Block("People as different in models as in brains (Spearman ρ)", "second_order_rho", PEOPLE),
    Block("Simulated gains found again (r)", "gain_recovery", PEOPLE),
)
# Height in mm of a row, of what stands around the rows of a block, and of what is around them all.
ROW, AROUND, FRAME = 4.2, 10.5, 18
MARKS = "Lines: 95 % intervals; grey: noise ceiling; \N{EN DASH}: not tested."
#: Heads of the columns of text, and where they stand, as shares of the width of their panel.
COLUMNS = {"Value [95 % interval]": 0.0, "p (images)": 0.56, "p (people)": 0.8}


@style.applied
def draw(summary: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show the headline findings, each kind on a scale of its own.

    Parameters
    ----------
    summary
        Table of kind ``summary``.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        A row a finding: its value, 95 % interval, and p over images and over people. Grey bands are noise ceilings,
        lines are where there is nothing.
    """
    found = summary[summary["participant"].isna()].set_index(["metric", "model"])
    blocks = {block: [row for row in block.rows if row in found.index] for block in BLOCKS}
    blocks = {block: rows for block, rows in blocks.items() if rows}
    participants = _size(summary, "identification_margin")[1]
    sizes = [len(rows) for rows in blocks.values()]
    figure = style.new_figure(180, FRAME + AROUND * len(blocks) + ROW * sum(sizes), note=note)
    panels = figure.subplots(len(blocks), 2, height_ratios=sizes, width_ratios=(1, 0.9), sharey="row", squeeze=False)
    for (axes, words), (block, rows) in zip(panels, blocks.items(), strict=True):
        forest.reference(axes, 1 / participants if block.reference is None else block.reference)
        _draw_ceiling(axes, found, block, rows=sum(metric == block.metric for metric, _ in rows))
        _draw_rows(axes, found.loc[rows])
        _write(words, found.loc[rows], block.decimals)
        axes.set_title(block.title, loc="left")
    for head, place in COLUMNS.items():
        panels[0, 1].annotate(
            head, (place, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", fontsize=7
        )
    style.headline(figure, f"{_sizes(summary)}\n{MARKS}")
    return figure


def _size(summary: pd.DataFrame, metric: str) -> tuple[int, int]:
    """How many images and people a metric is about; none if there is no such metric."""
    rows = summary.loc[summary["metric"] == metric, ["images", "people"]]
    images, people = rows.iloc[0] if len(rows) else (0, 0)
    return int(images), int(people)


def _sizes(summary: pd.DataFrame) -> str:
    """Say how many images and people there are; there may be no judgements, and judges may not be known."""
    shown, participants = _size(summary, "identification_margin")
    judged, judges = _size(summary, "behavior_rho")
    by = f" of {judges} judges" if judges else ""
    judgements = f"Judgements{by} on {judged} images; " if judged else ""
    return f"{judgements}MEG of {participants} participants on {shown}{'' if judged else ' images'}."


def _draw_ceiling(axes: Axes, found: pd.DataFrame, block: Block, *, rows: int) -> None:
    """Draw the band behind the first rows: differences below them have no ceiling."""
    bounds = [(block.metric, bound) for bound in (LOWER, UPPER)]
    if set(bounds) <= set(found.index):
        lower, upper = found["value"].astype(np.float64)[bounds]
        band = Rectangle((lower, -1), upper - lower, rows + 0.5, color=style.CEILING, linewidth=0, zorder=0.2)
        axes.add_patch(band)


def _draw_rows(axes: Axes, rows: pd.DataFrame) -> None:
    models = list(rows.index.get_level_values("model"))
    colours = [style.COLOURS.get(model.split(" - ")[0], "black") for model in models]
    forest.estimates(axes, rows, range(len(rows)), colours)
    forest.rows(axes, [MODEL_LABELS[model] for model in models])


def _write(axes: Axes, rows: pd.DataFrame, decimals: int) -> None:
    axes.set_axis_off()
    for place, column in zip(COLUMNS.values(), zip(*_texts(rows, decimals), strict=True), strict=True):
        forest.remarks(axes, column, place=place)


def _texts(rows: pd.DataFrame, decimals: int) -> list[tuple[str, str, str]]:
    """Value, p over images and p over people of each row."""
    values = [
        style.interval(value, low, high, decimals=decimals)
        for value, low, high in rows[["value", "low", "high"]].itertuples(index=False)
    ]
    over_images = rows["test"] == LABELS
    # a test that exchanges people, or what belongs to them, has its p where others have theirs over images
    images, people = rows["p"].where(over_images), rows["p_people"].where(over_images, rows["p"])
    return [(value, _p(p), _p(q)) for value, p, q in zip(values, images, people, strict=True)]


def _p(p: float) -> str:
    if np.isnan(p):
        return "\N{EN DASH}"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
