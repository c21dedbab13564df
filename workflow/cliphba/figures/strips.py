"""Saliency laid over pictures: what the figures and the animation of it share."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from cliphba.figures import style

Pixels = NDArray[np.float64]

TIMES = 8
LABEL = "Saliency above the picture's mean (1 − cosine, ×10⁻³)"

# The picture shines through where little is salient: colours grow opaque with saliency.
_OPACITY = np.linspace(0, 1, 256)[:, None] ** 0.7
_COLOURS = matplotlib.colormaps["YlOrRd"](np.linspace(0.15, 1, 256))[:, :3]
# Pictures are paled, so that colours mean the same on dark objects.
_DARKEST, _PAPER = 0.5, 0.9


def draw(saliency: pd.DataFrame, pictures: pd.DataFrame, *, note: str | None) -> Figure:
    """Draw a strip for each model and picture: the picture, and what is salient in it at eight times.

    Parameters
    ----------
    saliency, pictures
        Tables of these kinds; strips come in the order of the rows of the former.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        One colour scale for all. If there are several models, strips are named by them.
    """
    shown, strips = decode(pictures), saliency.groupby(["model", "stimulus"], sort=False)
    times_ms = some_times(saliency["time_ms"].to_numpy(), TIMES)
    largest = strongest(saliency)
    # long names do not fit along pictures
    is_long = saliency["model"].str.len().max() > style.SHORT_NAME
    turned: dict[str, Any] = {"rotation": 0, "ha": "right", "va": "center"} if is_long else {}
    figure = style.new_figure(180, 20 + 19.5 * len(strips), note=note)
    panels = figure.subplots(len(strips), 1 + len(times_ms), squeeze=False)
    for row, ((model, stimulus), rows) in zip(panels, strips, strict=True):
        picture = shown[str(stimulus)]
        row[0].imshow(picture, interpolation="bilinear")
        row[0].set_ylabel(model if saliency["model"].nunique() > 1 else "", **turned)
        for axes, one in zip(row[1:], maps_at(rows, times_ms), strict=True):
            axes.imshow(overlay(picture, one, largest), interpolation="bilinear")
    for axes, time in zip(panels[0, 1:], times_ms, strict=True):
        axes.set_title(f"{time:g} ms")
    bare(panels)
    add_scale(figure, panels, largest)
    return figure


def bare(panels: NDArray[np.object_]) -> None:
    """Leave nothing of axes but what is drawn on them."""
    for axes in panels.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


def decode(pictures: pd.DataFrame) -> dict[str, Pixels]:
    """Read pictures (height, width, 3), from 0 to 1, of a table of kind ``pictures``."""
    opened = [Image.open(io.BytesIO(png)).convert("RGB") for png in pictures["png"]]
    return {name: np.asarray(image) / 255 for name, image in zip(pictures["stimulus"], opened, strict=True)}


def relative(saliency: pd.DataFrame) -> Pixels:
    """Saliency above its mean over the picture, in thousandths: (rows, side, side).

    The mean says what hiding any half of the picture does; what stands above it tells one part from another.
    """
    maps = np.stack(list(saliency["saliency"])).astype(np.float64)
    side = round(maps.shape[1] ** 0.5)
    relative: Pixels = 1e3 * (maps - maps.mean(axis=1, keepdims=True)).reshape(-1, side, side)
    return relative


def strongest(saliency: pd.DataFrame) -> float:
    """Give the largest of all maps, for a scale; 1 where nothing is salient, so that there still is one."""
    return float(relative(saliency).max()) or 1.0


def maps_at(rows: pd.DataFrame, times_ms: Pixels) -> Pixels:
    """Give the maps of one picture and model at some times; see `relative`."""
    return relative(rows.set_index("time_ms").loc[list(times_ms)])


def some_times(times_ms: Pixels, count: int) -> Pixels:
    """Choose so many times, evenly from first to last; all where there are fewer."""
    distinct = np.unique(times_ms)
    chosen: Pixels = distinct[np.linspace(0, len(distinct) - 1, min(count, len(distinct))).round().astype(int)]
    return chosen


def overlay(picture: Pixels, saliency: Pixels, largest: float) -> Pixels:
    """Lay a map over a picture in pale grey.

    Parameters
    ----------
    picture
        (height, width, 3), from 0 to 1.
    saliency
        (side, side), or fewer; what is not above zero is not seen.
    largest
        Saliency of the strongest colour.
    """
    enlarged = Image.fromarray(saliency.astype(np.float32)).resize(picture.shape[1::-1], Image.Resampling.BILINEAR)
    level = (255 * np.clip(np.asarray(enlarged) / largest, 0, 1)).astype(int)
    grey = _DARKEST + (1 - _DARKEST) * picture.mean(axis=-1, keepdims=True)
    mixed: Pixels = grey + _OPACITY[level] * (_COLOURS[level] - grey)
    return mixed


def add_scale(figure: Figure, panels: NDArray[np.object_], largest: float) -> None:
    """State below the panels what colours mean, as they look on a light grey."""
    colours = ListedColormap(_PAPER + _OPACITY * (_COLOURS - _PAPER))
    mappable = ScalarMappable(Normalize(0, largest), colours)
    figure.colorbar(mappable, ax=panels, label=LABEL, location="bottom", shrink=0.5, aspect=40)
