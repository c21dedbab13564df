"""What is given names stimuli, or the concepts that they show: who is who."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from cliphba.listing import some


def names_of(stimuli: pd.DataFrame, given: Collection[str]) -> pd.Series[str]:
    """Find the name by which something given knows each stimulus: its own, or else that of its concept.

    Parameters
    ----------
    stimuli
        Columns ``stimulus`` and ``concept``.
    given
        The names that are known.

    Returns
    -------
    Series
        Indexed by the stimuli that are known, in their order.
    """
    known = set(given)
    names = stimuli["stimulus"].where(stimuli["stimulus"].isin(known), stimuli["concept"])
    names = names.set_axis(stimuli["stimulus"])
    return names[names.isin(known)]


def stimuli_of(stimuli: pd.DataFrame, given: Collection[str], *, origin: str) -> dict[str, str]:
    """Find the stimulus that each name means; names of nothing in the study are left out.

    Parameters
    ----------
    stimuli, given
        As for `names_of`.
    origin
        Where the names come from, for the message.

    Raises
    ------
    ValueError
        If a name is the concept of several stimuli.
    """
    names = names_of(stimuli, given)
    if (twice := names.duplicated(keep=False)).any():
        name = names[twice].iloc[0]
        several = some(names.index[names == name])
        raise ValueError(
            f"{origin} names the concept {name!r}, which several pictures show ({several}): name pictures there, or "
            "keep one picture of each concept"
        )
    return {name: str(stimulus) for stimulus, name in names.items()}
