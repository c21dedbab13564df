"""Whether everything that is written in a figure can be read at the size it is printed."""

from __future__ import annotations

from unittest import mock

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

SMALLEST = 7  # points


def assert_legible(figure: Figure) -> list[str]:
    """Draw a figure; texts must neither overlap, leave it, nor be small. Gives what is written."""
    drawn: list[Text] = []
    with mock.patch.object(Text, "draw", lambda text, _: drawn.append(text)):
        FigureCanvasAgg(figure).draw()
    drawn = [text for text in drawn if text.get_text().strip() and text.get_visible()]
    written = [text.get_text() for text in drawn]
    left, low, right, high = np.array([text.get_window_extent().extents for text in drawn]).T
    apart = (right[:, None] <= left) | (left[:, None] >= right) | (high[:, None] <= low) | (low[:, None] >= high)
    np.fill_diagonal(apart, True)
    assert apart.all(), [(written[one], written[other]) for one, other in np.argwhere(np.triu(~apart))]
    outside = (left < 0) | (low < 0) | (right > figure.bbox.width) | (high > figure.bbox.height)
    assert not outside.any(), [written[index] for index in np.flatnonzero(outside)]
    assert min(text.get_fontsize() for text in drawn) >= SMALLEST
    return written
