"""From a table of events, as a data set has it, to the trials of a study: which picture was shown when."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import mne
import numpy as np
import pandas as pd

from cliphba.listing import some

logger = logging.getLogger(__name__)


def select_trials(
    events: pd.DataFrame,
    *,
    stimulus: str = "stimulus",
    pattern: str | None = None,
    names: Sequence[str] | None = None,
    where: Mapping[str, Sequence[Any]] | None = None,
    onset: str = "onset",
    delay_ms: float = 0,
) -> pd.DataFrame:
    """Select the trials of a study from a table of events.

    Parameters
    ----------
    events
        One row an event; the table of a BIDS data set, or the metadata of epochs.
    stimulus
        Column that names the picture.
    pattern
        Regular expression that is searched in that column; its first group is the stimulus. Events without a match
        are no trials. None: the whole cell is the stimulus.
    names
        What is found there is a number, and the stimulus that one of these names, counted from 1. None: it is a name.
    where
        Column to values: only such events are trials. Numbers are compared as numbers.
    onset
        Column of the onset in s.
    delay_ms
        How much later than there the picture appeared.

    Returns
    -------
    pandas.DataFrame
        ``stimulus``, ``onset`` (s, not-a-number where the table has no number) and ``trial`` (from 0), one row a
        trial, with the index of its event.

    Raises
    ------
    ValueError
        If a column is missing, no event is left, a stimulus is missing, or no onset is a number.
    """
    where = dict(where or {})
    _check_columns(events, [stimulus, onset, *where])
    for column, values in where.items():
        events = _restrict(events, column, values)
    found = _name_stimuli(events[stimulus], pattern)
    shown = found if names is None else _look_up(found, names)
    seconds = pd.to_numeric(events.loc[shown.index, onset], errors="coerce") + delay_ms / 1000
    if seconds.isna().all():
        raise ValueError(f"column {onset} (events.onset) holds no number, such as {events[onset].iloc[0]!r}.")
    return pd.DataFrame({"stimulus": shown, "onset": seconds.astype(float), "trial": np.arange(len(shown))})


def restrict_trials(trials: pd.DataFrame, stimuli: Sequence[str]) -> pd.DataFrame:
    """Keep to the trials of some stimuli, and say how many are left out.

    Parameters
    ----------
    trials
        With the column ``stimulus``.
    stimuli
        Those of the study.

    Raises
    ------
    ValueError
        If a stimulus has no trial.
    """
    named = trials["stimulus"]
    if missing := sorted(set(stimuli) - set(named)):
        raise ValueError(
            f"{len(missing)} of the {len(stimuli)} pictures of the study have no trial, such as "
            f"{some(missing)}; trials name {some(named.unique())}: name both alike "
            "(data.recordings.events, data.stimuli), or leave these pictures out."
        )
    known = named.isin(list(stimuli))
    if not known.all():
        logger.warning(
            "%d of %d trials are left out: their pictures, such as %s, are not among the %d wanted.",
            len(trials) - known.sum(), len(trials), some(named[~known].unique()), len(stimuli),
        )  # fmt: skip
    return trials[known]


def unmark(raw: mne.io.BaseRaw, events: pd.DataFrame) -> None:
    """Take away the annotations that stand for trials, in place.

    Readers of BIDS turn every event into an annotation, and MNE drops what an annotation that begins with "bad"
    covers: a badger would be lost. What else is annotated, such as a bad stretch, stays.

    Parameters
    ----------
    raw
        The recording.
    events
        The rows of its table that are trials, with ``onset`` as it stands there.
    """
    onset = pd.to_numeric(events["onset"], errors="coerce").to_numpy(float)
    marked = raw.annotations.onset - raw.first_time
    is_trial = np.isclose(marked[:, None], onset, rtol=0, atol=0.5 / raw.info["sfreq"]).any(axis=1)
    raw.annotations.delete(np.flatnonzero(is_trial))


def _check_columns(events: pd.DataFrame, wanted: Sequence[str]) -> None:
    if missing := [column for column in wanted if column not in events]:
        raise ValueError(
            f"the table of events lacks the column {missing[0]}; it has {', '.join(map(str, events.columns))}. Name "
            "the right one under events."
        )


def _restrict(events: pd.DataFrame, column: str, values: Sequence[Any]) -> pd.DataFrame:
    """Keep the events that have one of some values in a column."""
    cells = events[column]
    numbers = pd.to_numeric(pd.Series(list(values)), errors="coerce").dropna()
    is_wanted = cells.astype(str).isin([str(value) for value in values])
    is_wanted |= pd.to_numeric(cells, errors="coerce").isin(numbers)
    if not is_wanted.any():
        there = some(map(repr, cells.dropna().unique()), 10)
        raise ValueError(f"events.where: no event has {column} {' or '.join(map(repr, values))}; it is {there}.")
    return events[is_wanted]


def _name_stimuli(cells: pd.Series[Any], pattern: str | None) -> pd.Series[str]:
    """Stimulus of each event that has one."""
    if (without := cells.isna()).any():
        raise ValueError(
            f"column {cells.name} (events.stimulus) is empty in {without.sum()} of {len(cells)} events: let "
            "events.where leave out what is no picture."
        )
    text = cells.astype(str)
    if pattern is None:
        return text
    if not re.compile(pattern).groups:
        raise ValueError(f"events.pattern: {pattern} has no group; put round brackets about what names the stimulus.")
    found: pd.Series[str] = text.str.extract(pattern, expand=True)[0].dropna()
    if found.empty:
        raise ValueError(f"events.pattern: {pattern} matches no cell of {cells.name}, such as {text.iloc[0]!r}.")
    if len(found) < len(text):
        example = text[~text.index.isin(found.index)].iloc[0]
        logger.warning(
            "%d of %d events, such as %r, do not match %s: no trials.",
            len(text) - len(found), len(text), example, pattern,
        )  # fmt: skip
    return found


def _look_up(numbers: pd.Series[str], names: Sequence[str]) -> pd.Series[str]:
    """Give the names that numbers stand for; tables write them with decimals, too."""
    values = pd.to_numeric(numbers, errors="coerce")
    wrong = ~(values.isin(range(1, len(names) + 1)))
    if wrong.any():
        raise ValueError(
            f"column {numbers.name} (events.stimulus) has {numbers[wrong].iloc[0]!r}, which is no number from 1 to "
            f"{len(names)}, of the names in the file events.names."
        )
    return values.astype(int).map(dict(enumerate(names, start=1)))
