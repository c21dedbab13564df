"""Figures to disk."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from cliphba.figures import style
from cliphba.tables import write_atomically

# How long a frame of an animation is seen.
FRAME_MS = 150
# Without dates (and, in SVG, with the style's fixed salt for identifiers) the same figure gives the same bytes.
METADATA: dict[str, dict[str, str | None]] = {"svg": {"Date": None}, "png": {"Software": None}}


@style.applied
def save(figure: Figure, path: Path | str) -> None:
    """Write a figure as SVG or PNG (200 dots an inch), whole or not at all.

    Parameters
    ----------
    figure
        What one of the ``draw`` functions gave.
    path
        Ending in ``.svg`` or ``.png``.

    Raises
    ------
    ValueError
        If the path has another ending.
    """
    kind = Path(path).suffix[1:]
    if kind not in METADATA:
        raise ValueError(f"{path} must end in .svg or .png")
    sink = io.BytesIO()
    figure.savefig(sink, format=kind, metadata=METADATA[kind])
    write_atomically(Path(path), sink.getvalue())


def save_animation(frames: Sequence[NDArray[np.uint8]], path: Path | str) -> None:
    """Write frames (height, width, 3) as an endless GIF, whole or not at all.

    Raises
    ------
    ValueError
        If the path does not end in ``.gif``.
    """
    if Path(path).suffix != ".gif":
        raise ValueError(f"{path} must end in .gif")
    # one palette for all, so that colours do not flicker; by octree it has the rare strong colours, too
    palette = Image.fromarray(np.concatenate(frames)).quantize(method=Image.Quantize.FASTOCTREE)
    first, *others = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    sink = io.BytesIO()
    first.save(sink, format="GIF", save_all=True, append_images=others, duration=FRAME_MS, loop=0)
    write_atomically(Path(path), sink.getvalue())


def save_page(animation: Path | str, path: Path | str) -> None:
    """Write an HTML page that has an animation (GIF) in it and shows it."""
    content = base64.b64encode(Path(animation).read_bytes()).decode()
    page = f'<!doctype html>\n<title>{Path(animation).stem}</title>\n<img src="data:image/gif;base64,{content}">\n'
    write_atomically(Path(path), page.encode())
