"""Figure: how models follow the brains of other people who look at other pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from cliphba.figures import style
from cliphba.figures.alignment import draw_curves, mark_significance, name_models

MARGIN_MM, PANEL_MM = 40, 70
#: White between pictures, as a share of their height.
GAP = 0.06


@style.applied
def draw(
    alignment: Mapping[str, pd.DataFrame],
    ceiling: Mapping[str, pd.DataFrame],
    pictures: Mapping[str, pd.DataFrame],
    *,
    note: str | None = None,
) -> Figure:
    """Show the alignment of CLIP, the Behavior model and the group model over time, in a panel for each external set.

    Parameters
    ----------
    alignment
        Image set to table of kind ``alignment``; its metadata say how many images there were (``images``).
    ceiling
        Image set to table of kind ``ceiling``.
    pictures
        Image set to table of kind ``pictures``: a few of the set, of any shape.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        Above, pictures of each set; below, lines, shades, bands and bars as in the figure of the study's own images.
    """
    figure = style.new_figure(MARGIN_MM + PANEL_MM * len(alignment), 96, note=note)
    rows = figure.subplots(2, len(alignment), squeeze=False, height_ratios=[1, 5])
    for (image_set, table), examples, axes in zip(alignment.items(), *rows, strict=True):
        _show(examples, pictures[image_set])
        participants, images = table["participant"].nunique(), table.attrs["images"]
        examples.set_title(f"{image_set}: {participants} participants, {images} images", loc="left")
        draw_curves(axes, table, ceiling[image_set])
    style.share_heights(rows[1])
    for axes, table in zip(rows[1], alignment.values(), strict=True):
        mark_significance(axes, table)
        axes.label_outer()
    rows[1, 0].set_ylabel("Alignment with MEG of other people\n(Spearman ρ)")
    name_models(rows[1, -1], table)
    return figure


def _show(axes: Axes, pictures: pd.DataFrame) -> None:
    """Show pictures side by side, equally high."""
    left = 0.0
    for png in pictures["png"]:
        picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255
        height, width, _ = picture.shape
        axes.imshow(picture, extent=(left, left + width / height, 0, 1))
        left += width / height + GAP
    axes.set_xlim(0, left - GAP)
    axes.set_axis_off()
