"""Figures to disk."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from cliphba.figures import style
from cliphba.tables import write_atomically

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
