"""Recordings of a BIDS data set: where they are, and what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from mne_bids import BIDSPath, find_matching_paths, get_bids_path_from_fname, read_raw_bids
from mne_bids.config import ALLOWED_DATATYPE_EXTENSIONS

from cliphba.meg.events import select_trials, unmark
from cliphba.meg.preprocess import Recording
from cliphba.sources import BIDSRecordings, Events, path_of
from cliphba.tables import read_names

# Of a recording that is split into several files the first one leads to the others.
FIRST_SPLIT = (None, "1", "01")


def find_recordings(settings: BIDSRecordings, participant: str) -> list[Path]:
    """Find the recordings of a participant, reading nothing but names of files.

    Parameters
    ----------
    settings
        Where they are. Without sessions, recordings are looked for that have none; without runs, all that are there.
    participant
        Name of the participant, such as ``sub-01``.

    Returns
    -------
    list of pathlib.Path
        Files, and folders of CTF; by session and, within each, by run.

    Raises
    ------
    ValueError
        If a recording is not there, or there are several where one is wanted.
    """
    found = find_matching_paths(
        path_of(settings.root),
        subjects=participant.removeprefix("sub-"),
        tasks=settings.task,
        datatypes=settings.datatype,
        suffixes=settings.datatype,
        extensions=ALLOWED_DATATYPE_EXTENSIONS[settings.datatype],
    )
    first = [path for path in found if path.split in FIRST_SPLIT]
    sessions: list[str | None] = [*settings.sessions] or [None]
    chosen = [path for session in sessions for path in _of_session(first, session, settings.runs)]
    _check_found(settings, participant, chosen)
    return [Path(path.fpath) for path in chosen]


def _of_session(found: Sequence[BIDSPath], session: str | None, runs: Sequence[str]) -> list[BIDSPath]:
    """Give those of a session, run after run."""
    there = [path for path in found if path.session == session and (not runs or path.run in runs)]
    return sorted(there, key=lambda path: _number(path.run))


def _number(run: str | None) -> tuple[int, str]:
    """Give runs their order: 2 before 10."""
    return (int(run), run) if run and run.isdigit() else (0, run or "")


def _check_found(settings: BIDSRecordings, participant: str, found: Sequence[BIDSPath]) -> None:
    """Refuse what is missing, and what is there twice."""
    sessions: list[str | None] = [*settings.sessions] or [None]
    runs: list[str | None] = [*settings.runs] or [None]
    for session, run in product(sessions, runs):
        if not any(path.session == session and run in (None, path.run) for path in found):
            entities = {"session": session, "task": settings.task, "run": run}
            described = ", ".join(f"{name} {value}" for name, value in entities.items() if value)
            raise ValueError(
                f"data.recordings: {settings.root} holds no {settings.datatype} recording of {participant}, "
                f"{described}; check these names, and that the files are there and no links to nothing."
            )
    counts = Counter((path.session, path.run) for path in found)
    twice = [path.basename for path in found if counts[path.session, path.run] > 1]
    if twice:
        raise ValueError(
            f"data.recordings: in {settings.root}, {twice[0]} and {twice[1]} are the same session and run; keep one."
        )


def tables_beside(path: Path | str) -> list[Path]:
    """Find the tables that a recording is read with: of events, which may be missing yet, and of channels, if any."""
    place = get_bids_path_from_fname(path, verbose="error").update(extension=".tsv", split=None)
    channels = place.copy().update(suffix="channels").fpath
    return [place.update(suffix="events").fpath, *([channels] if channels.exists() else [])]


def read_trials(path: Path | str, settings: Events) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read from the table of events beside a recording what was shown in it; the recording is left alone.

    Parameters
    ----------
    path
        Of the recording, as `find_recordings` gives it.
    settings
        Which events are trials.

    Returns
    -------
    trials : DataFrame
        As `cliphba.meg.events.select_trials` gives them.
    events : DataFrame
        Their rows in the table.

    Raises
    ------
    ValueError
        If there is no table of events or file of names, or it is not as the settings say.
    """
    names = None if settings.names is None else read_names(path_of(settings.names))
    table = tables_beside(path)[0]
    if not table.exists():
        raise ValueError(f"{table} is missing: BIDS needs it to say which stimulus was shown when.")
    events = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False, na_values=["n/a"])
    if "duration" not in events:
        raise ValueError(f"{table} has no column duration, which BIDS asks for: add it, with n/a in it if need be.")
    try:
        trials = select_trials(events, **settings.model_dump(exclude={"names"}), names=names)
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from error
    return trials, events.loc[trials.index]


def open_recording(path: Path | str, settings: Events) -> Recording:
    """Open a recording, without loading it, and read from its table of events what was shown.

    Parameters
    ----------
    path
        Of the recording, as `find_recordings` gives it.
    settings
        Which events are trials.

    Returns
    -------
    Recording
        With the bad channels that the data set names. The only session or run, if it has no name, is the first.

    Raises
    ------
    ValueError
        If there is no table of events, or it is not as the settings say, or the channels are not those that the data
        set lists.
    """
    trials, events = read_trials(path, settings)
    place = get_bids_path_from_fname(path, verbose="error")
    try:
        raw = read_raw_bids(place, verbose="error")
    # what is no recording, or only part of one, fails in many ways
    except Exception as error:
        raise ValueError(f"{path}: cannot be read with the tables beside it ({error}); get them again") from error
    unmark(raw, events)
    return Recording(raw, trials, f"ses-{place.session or '01'}", f"run-{place.run or '01'}")
