"""Published RDMs: whether a file has the shape, times, stimuli and people that the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cliphba.check.findings import Chapter
from cliphba.check.room import amount
from cliphba.collect.names import names_of
from cliphba.collect.rdms import reader
from cliphba.listing import some
from cliphba.sources import RDMFile, path_of
from cliphba.tables import read_names

NOTHING = slice(0, 0)
# MATLAB files of before v7.3 can only be opened as a whole.
LARGEST_MATLAB = 200_000_000


def survey(
    chapter: Chapter, settings: RDMFile, where: str, *, participants: Sequence[str], stimuli: pd.DataFrame | None
) -> None:
    """Look at a file of RDMs, or at everybody's own, without reading any.

    Parameters
    ----------
    chapter
        Gets what is found.
    settings
        What the file is said to be.
    where
        Setting that says so.
    participants
        Whose RDMs are asked for.
    stimuli
        ``stimulus`` and ``concept`` of those of the study, in order; None if they are not known.
    """
    paths = dict.fromkeys(Path(settings.path(participant)) for participant in participants)
    if missing := [path for path in paths if not path.is_file()]:
        chapter.refuse(f"{where}.file", f"there is no file {missing[0]}", "name the file with the RDMs")
        return
    times, size = settings.times_ms, sum(path.stat().st_size for path in paths)
    chapter.tell("RDMs", f"{settings.quantity} in {path_of(settings.file)} ({amount(size / 1e6)}, {settings.format})")
    chapter.tell("times", f"{len(times)} from {times[0]:g} to {times[-1]:g} ms")
    order = read_order(chapter, settings, where, stimuli)
    unplaced = settings.positions is not None and len(settings.positions) != len(participants)
    if unplaced or (order is None and settings.format != "rsatoolbox"):
        return
    for participant in participants:
        problems = len(chapter.problems)
        with chapter.reporting(f"{where} ({participant})"):
            look_into(
                settings, Path(settings.path(participant)), order, settings.position([*participants], participant)
            )
        if len(chapter.problems) > problems:
            return
    known = "its own" if order is None else str(len(order))
    chapter.tell("fit", f"{len(participants)} participants, {known} stimuli")


def read_order(chapter: Chapter, settings: RDMFile, where: str, stimuli: pd.DataFrame | None) -> Sequence[str] | None:
    """Find out in which order the file has its stimuli; None if that is not known, or it says so itself."""
    if settings.stimuli is None:
        return None if stimuli is None or settings.format == "rsatoolbox" else list(stimuli["stimulus"])
    order: list[str] = []
    with chapter.reporting(f"{where}.stimuli"):
        order = read_names(path_of(settings.stimuli))
    if not order:
        return None
    if stimuli is not None and len(known := names_of(stimuli, order)) < len(stimuli):
        missing = [name for name in stimuli["stimulus"] if name not in known.index]
        chapter.refuse(
            f"{where}.stimuli",
            f"{settings.stimuli} does not name {len(missing)} of the pictures: {some(missing)}",
            "name pictures and RDMs alike, or leave these pictures out",
        )
    return order


def look_into(settings: RDMFile, path: Path, order: Sequence[str] | None, position: int) -> None:
    """Ask the reader of a format for no time at all: it looks at everything else.

    Raises
    ------
    ValueError
        As the readers of `cliphba.meg.exchange`.
    """
    if settings.format != "matlab" or path.stat().st_size < LARGEST_MATLAB:
        reader(path, settings, position, order)(NOTHING)
