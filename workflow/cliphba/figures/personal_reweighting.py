"""Figure: in which vision blocks, and when, personal models differ from the group's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cliphba.figures import style

GROUP, COLUMNS = "group", 4


@style.applied
def draw(reweighting: Mapping[str, pd.DataFrame], *, note: str | None = None) -> Figure:
    """Show the weights of the group model, and by how much those of each personal model differ from them.

    Parameters
    ----------
    reweighting
        Tables of kind ``reweighting``, that of the group among them.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Heat maps block x time: the group's weights, then differences, all on one scale.
    """
    weights = {
        str(model): rows.pivot(index="block", columns="time_ms", values="weight")
        for table in reweighting.values()
        for model, rows in table.groupby("model")
    }
    group = weights.pop(GROUP)
    differences = {name: one - group for name, one in sorted(weights.items())}
    rows = int(np.ceil((len(differences) + 1) / COLUMNS))
    figure = style.new_figure(180, 18 + 38 * rows, note=note)
    # labels of the whole figure would stand where its note does
    (body,) = figure.subfigures(1, 1, squeeze=False).flat
    panels = body.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    whole = style.heat_map(panels[0], group, cmap="viridis", vmin=0)
    panels[0].set_title(style.LABELS[GROUP])
    largest = max(np.abs(one).max(axis=None) for one in differences.values())
    for axes, (name, difference) in zip(panels[1:], differences.items(), strict=False):
        image = style.heat_map(axes, difference, cmap="PuOr_r", vmin=-largest, vmax=largest)
        axes.set_title(f"{name} \N{MINUS SIGN} group")
    for axes in panels[len(differences) + 1 :]:
        axes.set_visible(False)
    for axes in panels:
        style.block_axis(axes, group.index.to_numpy())
        axes.set_xlabel("")
    for axes in panels[: len(differences) + 1][-COLUMNS:]:
        # below the last panel of a column nobody else shows the times
        axes.tick_params(labelbottom=True)
    body.supxlabel("Time from picture onset (ms)", fontsize=8)
    body.supylabel("Vision block (input to output)", fontsize=8)
    body.colorbar(whole, ax=panels, label="Weight", aspect=40)
    body.colorbar(image, ax=panels, label="Difference of weights", aspect=40)
    return figure
