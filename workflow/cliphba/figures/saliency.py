"""Figure: which parts of some pictures the group model hangs on, over time."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from cliphba.figures import strips, style


@style.applied
def draw(saliency: pd.DataFrame, pictures: pd.DataFrame, *, note: str | None = None) -> Figure:
    """Show a strip for each picture.

    Parameters
    ----------
    saliency, pictures
        Tables of these kinds; of models the group's is drawn.
    note
        Shown at the lower edge.

    Returns
    -------
    Figure
        See `strips.draw`.
    """
    return strips.draw(saliency[saliency["model"] == "group"], pictures, note=note)
