"""Animation: which parts of some pictures the group model hangs on, time after time."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from cliphba.figures import strips, style

Frames = list[NDArray[np.uint8]]

# Frames at most: finer grids of times are thinned out, so that a file stays small.
LONGEST = 71
DOTS_PER_INCH = 110


@style.applied
def draw(saliency: pd.DataFrame, pictures: pd.DataFrame, *, note: str | None = None) -> Frames:
    """Show the pictures side by side, below them what is salient, a frame for each time.

    Parameters
    ----------
    saliency, pictures
        Tables of these kinds; of models the group's is shown.
    note
        Shown at the lower edge.

    Returns
    -------
    list of ndarray
        (height, width, 3) of each frame, from 0 to 255, in the order of time. One colour scale for all.
    """
    shown, rows = strips.decode(pictures), saliency[saliency["model"] == "group"]
    times_ms = strips.some_times(rows["time_ms"].to_numpy(), LONGEST)
    maps = {name: strips.maps_at(part, times_ms) for name, part in rows.groupby("stimulus")}
    largest = strips.strongest(rows)
    figure = style.new_figure(8 + 40 * len(shown), 112, note=note)
    panels = figure.subplots(2, len(shown), squeeze=False)
    strips.bare(panels)
    strips.add_scale(figure, panels, largest)
    for axes, picture in zip(panels[0], shown.values(), strict=True):
        axes.imshow(picture, interpolation="bilinear")
    images = [
        axes.imshow(picture, interpolation="bilinear")
        for axes, picture in zip(panels[1], shown.values(), strict=True)
    ]
    frames = []
    for index, time in enumerate(times_ms):
        figure.suptitle(f"{time:g} ms after picture onset")
        for image, (name, picture) in zip(images, shown.items(), strict=True):
            image.set_data(strips.overlay(picture, maps[name][index], largest))
        frames.append(_pixels(figure))
    return frames


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=DOTS_PER_INCH)
    return np.asarray(Image.open(sink).convert("RGB"))
