"""Which stimuli models are trained on, which decide when training stops, and which are held out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from cliphba.listing import some
from cliphba.sources import Split

SPLITS = ("train", "validation", "test")
#: The setting that says how many there are of each.
SETTINGS = {"train": "training_images", "validation": "validation_images", "test": "test_images"}


def split_stimuli(
    stimuli: pd.DataFrame, how: Split, counts: Mapping[str, int], *, judged: Collection[str] = (), seed: int = 0
) -> pd.DataFrame:
    """Say of every stimulus which split it is in.

    Parameters
    ----------
    stimuli
        Columns ``stimulus`` and, for ``table``, ``split``.
    how
        ``random``; ``in_order``: training, validation, test, as they stand; ``judged``: those judged are the test
        images, the others at random; ``table``: as it says already.
    counts
        Number of each of `SPLITS`.
    judged
        Stimuli that people judged.
    seed
        Of what is random.

    Returns
    -------
    DataFrame
        The same with another ``split``.

    Raises
    ------
    ValueError
        If there are not as many stimuli as the counts say.
    """
    if how == "table":
        return _as_in_table(stimuli, counts)
    _check_total(len(stimuli), counts)
    order = np.arange(len(stimuli))
    if how != "in_order":
        order = np.random.default_rng(seed).permutation(order)
    if how == "judged":
        is_judged = stimuli["stimulus"].isin(set(judged)).to_numpy()
        _check_judged(int(is_judged.sum()), counts["test"])
        # test images come last; a stable sort leaves the rest at random
        order = order[np.argsort(is_judged[order], kind="stable")]
    split = np.empty(len(stimuli), dtype=object)
    split[order] = np.repeat(SPLITS, [counts[name] for name in SPLITS])
    return stimuli.assign(split=split)


def hold_out(stimuli: pd.DataFrame, expected: int, *, name: str) -> pd.DataFrame:
    """Make all stimuli of an evaluation set test images.

    Raises
    ------
    ValueError
        If there are not as many as expected.
    """
    if len(stimuli) != expected:
        raise ValueError(
            f"evaluation_sets.{name}: there are {len(stimuli)} pictures, but count is {expected}: correct it, or "
            "name in a table the stimuli that are meant"
        )
    return stimuli.assign(split="test")


def _as_in_table(stimuli: pd.DataFrame, counts: Mapping[str, int]) -> pd.DataFrame:
    wrong = stimuli.loc[~stimuli["split"].isin(SPLITS), ["stimulus", "split"]]
    if len(wrong):
        raise ValueError(
            f"data.stimuli.table: `split` must be one of {', '.join(SPLITS)}, but of {len(wrong)} stimuli, such as "
            f"{wrong['stimulus'].iloc[0]}, it is {some(wrong['split'].unique())}"
        )
    found = {name: int((stimuli["split"] == name).sum()) for name in SPLITS}
    if found != dict(counts):
        raise ValueError(
            f"data.stimuli: the table's `split` has {_list(found)}, the settings {_list(counts)}: make them alike"
        )
    return stimuli


def _check_total(found: int, counts: Mapping[str, int]) -> None:
    wanted = sum(counts.values())
    if found != wanted:
        raise ValueError(
            f"data.stimuli: there are {found} pictures, but {_list(counts)} make {wanted}: correct these numbers, or "
            "name in a table the stimuli that are meant"
        )


def _check_judged(found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(
            f"data.stimuli: people judged {found} of the pictures, which `split: judged` holds out, but test_images "
            f"is {wanted}: set it to {found} and the other numbers so that all add up, or choose another split"
        )


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{SETTINGS[name]} {counts[name]}" for name in SPLITS)
