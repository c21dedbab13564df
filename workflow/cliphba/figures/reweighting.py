"""Figure: which layers of the backbone speak at which time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from cliphba.figures import style


@style.applied
def draw(reweighting: Mapping[str, pd.DataFrame], *, note: str | None = None) -> Figure:
    """Show the weights of the vision blocks over time, a panel a model.

    Parameters
    ----------
    reweighting
        Tables of kind ``reweighting``; models are shown in the order they come in.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Heat maps block x time on a common scale; the weights of one time sum to one.
    """
    weights_of = {model: rows for table in reweighting.values() for model, rows in table.groupby("model")}
    figure = style.new_figure(30 + 75 * len(weights_of), 70, note=note)
    panels = figure.subplots(1, len(weights_of), sharey=True, squeeze=False)[0]
    largest = max(rows["weight"].max() for rows in weights_of.values())
    for axes, (model, rows) in zip(panels, weights_of.items(), strict=True):
        weights = rows.pivot(index="block", columns="time_ms", values="weight")
        image = style.heat_map(axes, weights, cmap="viridis", vmin=0, vmax=largest)
        style.block_axis(axes, weights.index.to_numpy())
        axes.set_title(style.LABELS.get(str(model), str(model)))
    panels[0].set_ylabel("Vision block (input to output)")
    figure.colorbar(image, ax=panels, label="Weight (sums to 1 over blocks)")
    return figure
