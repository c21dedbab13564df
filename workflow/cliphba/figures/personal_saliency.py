"""Figure: which parts of one picture the personal models hang on, over time."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from cliphba.figures import strips, style


@style.applied
def draw(saliency: pd.DataFrame, pictures: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show a strip for each person, all of the first picture.

    Parameters
    ----------
    saliency, pictures
        Tables of these kinds; of models those of persons are drawn.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        See `strips.draw`.
    """
    first = saliency["stimulus"] == pictures["stimulus"].iloc[0]
    return strips.draw(saliency[first & (saliency["model"] != "group")], pictures, note=note)
