"""Figure: what each ingredient of the method is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliphba.evaluate.ablation import AS_CONFIGURED, WORTH
from cliphba.figures import forest, style

#: Metric to its title, its unit, and the decimals of its values.
METRICS = {
    "behavior_rho": ("Human judgements", "ρ", 2),
    "group_alignment_auc": ("Group alignment", "ρ × ms", 1),
    "own_alignment_auc": ("Own alignment", "ρ × ms", 1),
    "identification_margin": ("Identification margin", "ρ", 3),
}
MODEL = dict(zip(METRICS, ("behavior", "group", "personal", "personal"), strict=True))
#: The study trained again with other seeds: the yardstick for all others.
SEEDS = {"second_training": "Other seed of training", "third_training": "Yet another seed"}
LABELS = {
    "lora": "LoRA instead of DoRA",
    "individuals_start_from_behavior": "Individuals start from Behavior",
    **SEEDS,
}
ROW, AROUND = 6, 34
MARKS = """\
Study as configured (value in the title) minus the variant: right of zero, what was left out helps.
Lines: 95 % intervals; grey: as far as other seeds of training go."""


@style.applied
def draw(ablation: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show by how much the study as configured exceeds the same with one ingredient left out or exchanged.

    Parameters
    ----------
    ablation
        Table of kind ``ablation``; its metadata say how many ``participants``, ``judges`` and ``images`` there were.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        A panel a metric, a row a variant: what was left out helps where the dot is right of zero. Bands reach as far
        as the trainings with other seeds.
    """
    variants = [name for name in ablation["variant"].unique() if name not in (AS_CONFIGURED, *SEEDS)]
    variants += [name for name in SEEDS if name in set(ablation["variant"])]
    figure = style.new_figure(180, AROUND + ROW * len(variants), note=note)
    metrics = [metric for metric in METRICS if metric in set(ablation["metric"])]
    panels = figure.subplots(1, len(metrics), sharey=True)
    for axes, metric in zip(panels, metrics, strict=True):
        rows = ablation[ablation["metric"] == metric].set_index("variant")
        _draw_metric(axes, rows.reindex(variants), style.COLOURS[MODEL[metric]])
        _label(axes, metric, *rows.loc[AS_CONFIGURED, ["value", "low", "high"]].astype(np.float64))
    forest.rows(panels[0], [LABELS.get(name, name.replace("_", " ").capitalize()) for name in variants])
    sizes = ablation.attrs
    # judges may not be known, or there are none
    people = ", ".join(f"{sizes[who]} {who}" for who in ("participants", "judges") if sizes[who])
    style.headline(figure, f"{MARKS} {people}, {sizes['images']} test images.")
    return figure


def _draw_metric(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    forest.reference(axes, 0)
    seeds = rows.loc[rows.index.isin(SEEDS), "worth"].abs().max()
    if np.isfinite(seeds):
        axes.axvspan(-seeds, seeds, color=style.CEILING, linewidth=0, zorder=0.2)
    worth = rows[list(WORTH)].set_axis(["value", "low", "high"], axis=1)
    forest.estimates(axes, worth, range(len(worth)), colour)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _label(axes: Axes, metric: str, value: float, low: float, high: float) -> None:
    title, unit, decimals = METRICS[metric]
    axes.set_title(f"{title}\n{style.interval(value, low, high, decimals=decimals)}", loc="left")
    axes.set_xlabel(f"Worth ({unit})")
