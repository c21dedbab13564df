"""Raw recordings in BIDS: which are there, which are missing, what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mne_bids import BIDSPath, find_matching_paths, get_bids_path_from_fname
from mne_bids.config import ALLOWED_DATATYPE_EXTENSIONS

from cliphba.check.findings import Chapter, Problem
from cliphba.listing import some
from cliphba.meg import bids
from cliphba.sources import BIDSRecordings, path_of

WHERE = "data.recordings"


@dataclass(frozen=True)
class Recorded:
    """A recording, as far as files beside it tell, without its samples.

    Attributes
    ----------
    path
        Of the recording.
    participant, session, run
        Names, such as ``sub-01``, ``ses-01``, ``run-01``.
    trials
        As `cliphba.meg.events.select_trials` gives them; None if there is no such table.
    sidecar
        The JSON file that describes it; empty if there is none.
    """

    path: Path
    participant: str
    session: str
    run: str
    trials: pd.DataFrame | None
    sidecar: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it lasts; not-a-number if nothing says so."""
        said = self.sidecar.get("RecordingDuration")
        return float(said) if isinstance(said, int | float) else np.nan


def find(chapter: Chapter, settings: BIDSRecordings, participant: str) -> list[Path]:
    """Find the recordings of a participant; those missing are all told, and the others given."""
    try:
        return bids.find_recordings(settings, participant)
    except ValueError as error:
        there = recordings_of(path_of(settings.root), participant)
        told = list(explain(there, settings, participant))
        chapter.found += told or [Problem(WHERE, str(error).removeprefix(f"{WHERE}: "))]
        return _one_by_one(settings, participant) if there else []


def _one_by_one(settings: BIDSRecordings, participant: str) -> list[Path]:
    """Find those recordings that are there and not twice."""
    found: list[Path] = []
    sessions: list[str | None] = [*settings.sessions] or [None]
    runs: list[str | None] = [*settings.runs] or [None]
    for session, run in product(sessions, runs):
        one = settings.model_copy(update={"sessions": [session] if session else [], "runs": [run] if run else []})
        with suppress(ValueError):
            found += bids.find_recordings(one, participant)
    return found


def recordings_of(root: Path, participant: str) -> list[BIDSPath]:
    """Find all recordings of a participant, of whatever kind and task."""
    label = participant.removeprefix("sub-")
    found = [
        find_matching_paths(
            root, subjects=label, datatypes=kind, suffixes=kind, extensions=ALLOWED_DATATYPE_EXTENSIONS[kind]
        )
        for kind in ("meg", "eeg")
    ]
    return [path for paths in found for path in paths]


def explain(there: Sequence[BIDSPath], settings: BIDSRecordings, participant: str) -> Iterator[Problem]:
    """Say why recordings are missing, by what is there instead."""
    if not (path_of(settings.root) / participant).is_dir():
        people = sorted(path.name for path in path_of(settings.root).glob("sub-*") if path.is_dir())
        yield Problem(
            "participants",
            f"{settings.root} has no folder of {participant}; it has {some(people) or 'none of anybody'}",
            "correct the name, or leave the participant out",
        )
        return
    kind = [path for path in there if path.datatype == settings.datatype]
    if there and not kind:
        other = there[0].datatype
        yield Problem(
            f"{WHERE}.datatype",
            f"{participant} has no {settings.datatype} recording, but {len(there)} of {other}",
            f"set data.recordings.datatype to {other}",
        )
        return
    task = [path for path in kind if path.task == settings.task]
    if not task:
        tasks = sorted({path.task for path in kind if path.task})
        yield Problem(
            f"{WHERE}.task",
            f"{participant} has no recording of the task {settings.task}; there are {some(tasks) or 'none at all'}",
            "name one of these tasks" if tasks else "check that the files are there and no links to nothing",
        )
        return
    yield from _explain_names(task, settings, participant)


def _explain_names(there: Sequence[BIDSPath], settings: BIDSRecordings, participant: str) -> Iterator[Problem]:
    """Say which sessions and runs are missing, and which are there."""
    wanted: list[str | None] = [*settings.sessions] or [None]
    runs = {session: [path.run for path in there if path.session == session] for session in wanted}
    known = sorted({path.session or "recordings without session" for path in there})
    for session in wanted:
        if not runs[session]:
            missing = f"session {session}" if session else "recording without session"
            yield Problem(
                f"{WHERE}.sessions",
                f"{participant} has no {missing}; there are {some(known, 20)}",
                "correct sessions, get the recording, or leave the participant out",
            )
    for session, run in product(wanted, settings.runs):
        if runs[session] and run not in runs[session]:
            numbers = sorted(name or "one without number" for name in runs[session])
            yield Problem(
                f"{WHERE}.runs",
                f"{participant} has no run {run}{f' in session {session}' if session else ''}; there are "
                f"{some(numbers, 20)}",
                "correct runs, get the recording, or leave the participant out",
            )


def read(chapter: Chapter, path: Path, participant: str, settings: BIDSRecordings) -> Recorded:
    """Read the tables and descriptions that stand beside a recording."""
    place = get_bids_path_from_fname(path, verbose="error")
    trials = None
    with chapter.reporting(f"{WHERE}.events"):
        trials = bids.read_trials(path, settings.events)[0]
    session, run = f"ses-{place.session or '01'}", f"run-{place.run or '01'}"
    return Recorded(path, participant, session, run, trials, _sidecar(place))


def _sidecar(place: BIDSPath) -> dict[str, Any]:
    beside = place.copy().update(extension=".json", split=None).fpath
    if not beside.is_file():
        found = place.find_matching_sidecar(extension=".json", on_error="ignore")
        beside = beside if found is None else Path(found.fpath)
    try:
        said = json.loads(beside.read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
