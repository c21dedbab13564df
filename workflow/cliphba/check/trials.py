"""Trials of every stimulus: whether there are enough of them, in every half and part, and of all alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from cliphba.check.findings import Finding, Found, Problem, spread
from cliphba.config import Study
from cliphba.listing import some

WHERE = "data.recordings.events"
# Some images may have so many times the trials of others, for all that happens in a laboratory.
UNEQUAL = 1.25
SPLIT_NAMES = {"train": "training", "validation": "validation", "test": "test"}


def judge(trials: pd.DataFrame, stimuli: pd.DataFrame, study: Study) -> Iterator[Found]:
    """Say how many trials there are, and what is wrong with them.

    Parameters
    ----------
    trials
        ``participant``, ``part`` and ``stimulus`` of each trial, of everybody whose recordings were found.
    stimuli
        ``stimulus`` and ``split`` of each picture.
    study
        Whose halves and folds are meant.
    """
    yield from _unknown(trials, stimuli)
    known = trials[trials["stimulus"].isin(stimuli["stimulus"])]
    if known.empty:
        return
    yield Finding("trials", f"{spread(trials.groupby('participant').size().to_list())} a participant")
    yield from _by_split(known, stimuli)
    counts = {
        half: count(known[known["part"].isin(parts)], sorted(set(known["stimulus"])), parts)
        for half, parts in study.halves.items()
    }
    yield from _too_few(counts, study.decoding.folds)
    yield from _unequal(known, stimuli)


def count(trials: pd.DataFrame, stimuli: Sequence[str], parts: Sequence[str]) -> pd.DataFrame:
    """Count trials: a row for each participant and stimulus, a column for each part."""
    people = trials["participant"].unique()
    rows = pd.MultiIndex.from_product([people, stimuli], names=["participant", "stimulus"])
    counted = trials.groupby(["participant", "stimulus", "part"]).size().unstack("part")
    return counted.reindex(index=rows, columns=list(parts)).fillna(0).astype(int)


def _unknown(trials: pd.DataFrame, stimuli: pd.DataFrame) -> Iterator[Problem]:
    shown, known = set(trials["stimulus"]), set(stimuli["stimulus"])
    strange, unseen = sorted(shown - known), [name for name in stimuli["stimulus"] if name not in shown]
    if strange and not shown & known:
        yield Problem(
            WHERE,
            f"no stimulus of the events is one of the pictures: events have {some(strange)}, pictures {some(unseen)}",
            "choose the column (stimulus) and the part of it (pattern) that is the name of a picture"
            + _with_decimals(strange),
        )
        return
    if strange:
        yield Problem(
            WHERE,
            f"{len(strange)} stimuli in the events have no picture: {some(strange)}; their trials are left out",
            "if they are meant, add their pictures to data.stimuli",
            fatal=False,
        )
    if unseen:
        yield Problem(
            "data.stimuli",
            f"{len(unseen)} of {len(known)} pictures are never shown: {some(unseen)}",
            "leave them out by a table of the stimuli that are (data.stimuli.table), or correct events.where",
        )


def _with_decimals(strange: Sequence[str]) -> str:
    """Hint at how a column of whole numbers is written that is empty in other rows."""
    decimals = all(re.fullmatch(r"\d+\.0+", name) for name in strange)
    return "; of numbers with decimals, pattern: ^(\\d+) takes what is before the point" if decimals else ""


def _by_split(trials: pd.DataFrame, stimuli: pd.DataFrame) -> Iterator[Finding]:
    split = stimuli.set_index("stimulus")["split"]
    counted = trials.groupby(["participant", "stimulus"]).size()
    of = counted.index.get_level_values("stimulus").map(split.to_dict())
    for name, label in SPLIT_NAMES.items():
        if (of == name).any():
            yield Finding(f"of {label} images", f"{spread(counted[of == name].to_list())} trials each")


def _too_few(counts: Mapping[str, pd.DataFrame], folds: int | str) -> Iterator[Problem]:
    """Tell which stimuli cannot be left out of a half."""
    for half, counted in counts.items():
        if folds == "session" and len(counted.columns) < 2:
            continue  # of nobody and no stimulus: that is a matter of settings
        if folds == "session":
            short = counted[(counted > 0).sum(axis=1) < 2]
            what, remedy = "in fewer than two parts", "set decoding.folds to a number of folds over single trials"
        else:
            short = counted[counted.sum(axis=1) < int(folds)]
            what, remedy = f"in fewer trials than decoding.folds ({folds})", "set decoding.folds to fewer"
        if len(short):
            (participant, stimulus), told = short.index[0], short.index.get_level_values("stimulus").nunique()
            trials = int(short.iloc[0].sum())
            yield Problem(
                WHERE,
                f"{told} stimuli are shown to somebody {what} of the half {half!r} ({', '.join(counted.columns)}), "
                f"such as {stimulus} to {participant} in {trials}, and cannot be cross-validated there",
                f"{remedy}, or leave these stimuli out by a table (data.stimuli.table)",
            )


def _unequal(trials: pd.DataFrame, stimuli: pd.DataFrame) -> Iterator[Problem]:
    """Tell whether some training images have many more trials than others."""
    training = set(stimuli.loc[stimuli["split"] == "train", "stimulus"])
    counted = trials[trials["stimulus"].isin(training)].groupby(["participant", "stimulus"]).size()
    for participant, own in counted.groupby("participant"):
        if own.max() > UNEQUAL * own.min():
            yield Problem(
                WHERE,
                f"training images have from {own.min()} to {own.max()} trials of {participant}: pairs of images with "
                "more trials are decoded better, whatever the brain does",
                "keep equally many (events.where), or take cross-validated distances, which do not grow with trials "
                "(decoding.measure: euclidean)",
                fatal=False,
            )
            return
