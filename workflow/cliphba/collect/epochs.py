"""Epochs as people give them, with a table of trials, to the parts of a study on its grid of times."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.config import TimeGrid
from cliphba.listing import some
from cliphba.meg.divide import take_turns
from cliphba.meg.events import restrict_trials, select_trials
from cliphba.sources import PARTS_OF_TRIALS, EpochsRecordings

logger = logging.getLogger(__name__)


def open_epochs(path: Path | str) -> mne.BaseEpochs:
    """Open epochs without loading them; of a split file the first part leads to the others.

    Raises
    ------
    ValueError
        If the file is missing, no file of epochs, or has no table of trials.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}: check data.recordings.files, and the participant's name")
    try:
        epochs = mne.read_epochs(path, preload=False, verbose="error")
    # what is no FIF fails in many ways
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as epochs of MNE ({error}): save it anew with Epochs.save"
        ) from error
    if epochs.metadata is None:
        raise ValueError(
            f"{path} has no table of trials: let epochs.metadata say in a column which picture each epoch shows, and "
            "save it again"
        )
    return epochs


def list_trials(
    tables: Sequence[pd.DataFrame],
    recordings: EpochsRecordings,
    stimuli: Sequence[str],
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """List a participant's trials, and say which part each belongs to.

    Parameters
    ----------
    tables
        Metadata of each file, in the order of `EpochsRecordings.paths`.
    recordings
        What is known of the files.
    stimuli
        Of the study; trials of other pictures are left out.
    names
        What numbers of pictures mean, if that is how trials name them (`Events.names`).

    Returns
    -------
    DataFrame
        ``file`` and ``row`` (both from 0) of each trial, its ``stimulus``, its part as ``session``, and ``trial``,
        its number among all of its session.

    Raises
    ------
    ValueError
        If columns are missing, a session has no trials, or a picture too few.
    """
    listed = pd.concat(
        [_trials_of_file(table, recordings, number, names) for number, table in enumerate(tables)], ignore_index=True
    )
    trials = restrict_trials(_restrict_sessions(listed, recordings.sessions), stimuli)
    if recordings.halves_of == "sessions":
        return trials.assign(session="ses-" + trials["session"])
    fewest = trials["stimulus"].value_counts()
    if len(few := fewest[fewest < PARTS_OF_TRIALS]):
        raise ValueError(
            f"{len(few)} of {len(fewest)} pictures, such as {some(few.index)}, have fewer than {PARTS_OF_TRIALS} "
            "trials, which are dealt out to so many parts where there is one session: leave these pictures out, or "
            "name the sessions (data.recordings.sessions)"
        )
    turn = take_turns(trials["stimulus"], PARTS_OF_TRIALS)
    return trials.assign(session=np.array(recordings.parts)[turn])


def read_parts(
    files: Sequence[mne.BaseEpochs],
    trials: pd.DataFrame,
    channels: Sequence[str],
    grid: TimeGrid,
    parts: Sequence[str],
) -> Iterator[mne.BaseEpochs]:
    """Read the epochs of each part, with no more than one part in memory.

    Parameters
    ----------
    files
        Opened, not loaded.
    trials
        From `list_trials`.
    channels
        Names of those to be kept.
    grid
        Times to be kept.
    parts
        Their names, in order.

    Yields
    ------
    mne.BaseEpochs
        With the metadata ``stimulus``, ``session`` and ``trial``.

    Raises
    ------
    ValueError
        If the grid's times are not among those of a file, or too coarse for what its filter let through.
    """
    for epochs in files:
        check_times(np.asarray(epochs.times), float(epochs.info["lowpass"]), grid)
    for part in parts:
        chosen = trials[trials["session"] == part]
        # a file holds a session or all of them, so that a part lies in one
        (number,) = chosen["file"].unique()
        epochs = _onto_grid(files[number][chosen["row"].to_numpy()], channels, grid)
        with mne.use_log_level("error"):
            epochs.metadata = chosen[["stimulus", "session", "trial"]].reset_index(drop=True)
        yield epochs


def check_times(seconds: NDArray[np.float64], low_pass_hz: float, grid: TimeGrid) -> None:
    """Refuse samples that a grid cannot be taken from.

    Parameters
    ----------
    seconds
        (samples,) times of the epochs.
    low_pass_hz
        What frequencies they hold at most.
    grid
        Times that are wanted.

    Raises
    ------
    ValueError
        If times are missing, or too far apart for the frequencies.
    """
    known, wanted = np.round(1000 * seconds, 3), np.round(grid.times_ms, 3)
    step = (known[-1] - known[0]) / (len(known) - 1)
    if len(missing := wanted[~np.isin(wanted, known)]):
        raise ValueError(
            f"grid: the epochs have no sample at {missing[0]:g} ms; theirs go from {known[0]:g} to {known[-1]:g} ms "
            f"in steps of {step:g} ms: choose start_ms and stop_ms within and step_ms as a multiple, or resample them"
        )
    carried = 500 / grid.step_ms
    if grid.step_ms > 1.5 * step and low_pass_hz > carried:
        raise ValueError(
            f"grid.step_ms: the epochs hold frequencies up to {low_pass_hz:g} Hz, but samples every {grid.step_ms:g} "
            f"ms carry {carried:g} Hz: choose a finer step, or filter the epochs (Epochs.filter) and save them again"
        )


def _trials_of_file(
    table: pd.DataFrame, recordings: EpochsRecordings, number: int, names: Sequence[str] | None
) -> pd.DataFrame:
    table = table.reset_index(drop=True)
    # epochs are cut already: when they began does not matter
    events = recordings.events.model_dump(include={"stimulus", "pattern", "where"})
    trials = select_trials(table.assign(onset=0.0), **events, names=names)
    if recordings.session_column is None:
        session = recordings.sessions[number] if recordings.sessions else ""
    elif recordings.session_column in table:
        session = table.loc[trials.index, recordings.session_column]
    else:
        raise ValueError(
            f"data.recordings.session_column: the table of trials has no column {recordings.session_column!r}, only "
            f"{', '.join(map(str, table.columns))}"
        )
    listed = trials[["stimulus", "trial"]].assign(file=number, row=trials.index, session=session)
    return listed.reset_index(drop=True)


def _restrict_sessions(trials: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Keep to some sessions and call them by these names: 1 and 1.0 are 01, too."""
    if not names:
        return trials
    text, number = trials["session"].astype(str), pd.to_numeric(trials["session"], errors="coerce")
    named = pd.Series(None, index=trials.index, dtype=object)
    for name in names:
        same = (text == name) | (number == float(name) if name.isdecimal() else False)
        if not same.any():
            raise ValueError(
                f"data.recordings.sessions: no trial is of {name}, but of {some(text.unique())}: name these"
            )
        named[same] = name
    if (others := named.isna()).any():
        logger.info("%d trials are of sessions that are not named: %s", others.sum(), some(text[others].unique()))
    kept = trials.assign(session=named)[~others]
    return kept.assign(trial=kept.groupby("session").cumcount())


def _onto_grid(epochs: mne.BaseEpochs, channels: Sequence[str], grid: TimeGrid) -> mne.BaseEpochs:
    """Load epochs of some channels at the times of a grid, which are known to be among theirs."""
    decimation = max(1, round(epochs.info["sfreq"] * grid.step_ms / 1000))
    with mne.use_log_level("error"):
        loaded = epochs.load_data().pick(list(channels))
        loaded = loaded.crop(grid.start_ms / 1000, grid.stop_ms / 1000)
        return loaded.decimate(decimation)
