"""Published RDMs: whether a file has the shape, times, stimuli and people that the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cliphba.check.findings import Chapter, names
from cliphba.meg import exchange
from cliphba.sources import RDMFile, path_of

NOTHING = slice(0, 0)
# MATLAB files of before v7.3 can only be opened as a whole.
LARGEST_MATLAB = 200_000_000


def survey(
    chapter: Chapter, settings: RDMFile, where: str, *, participants: Sequence[str], stimuli: Sequence[str] | None
) -> None:
    """Look at a file of RDMs, without reading any.

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
        Of the study, in order; None if they are not known.
    """
    path = path_of(settings.file)
    if not path.is_file():
        chapter.refuse(f"{where}.file", f"there is no file {path}", "name the file with the RDMs")
        return
    times = settings.times_ms
    chapter.tell("RDMs", f"{settings.quantity} in {path} ({path.stat().st_size / 1e9:.1f} GB, {settings.format})")
    chapter.tell("times", f"{len(times)} from {times[0]:g} to {times[-1]:g} ms")
    order = read_order(chapter, settings, where, stimuli)
    if order is None:
        return
    for participant in participants:
        problems = len(chapter.problems)
        with chapter.reporting(f"{where} ({participant})"):
            look_into(settings, path, order, settings.position(list(participants), participant))
        if len(chapter.problems) > problems:
            return
    chapter.tell("fit", f"{len(participants)} participants, {len(order)} stimuli")


def read_order(
    chapter: Chapter, settings: RDMFile, where: str, stimuli: Sequence[str] | None
) -> Sequence[str] | None:
    """Find out in which order the file has its stimuli; None if that is not known."""
    if settings.stimuli is None:
        return stimuli
    path = path_of(settings.stimuli)
    if not path.is_file():
        chapter.refuse(f"{where}.stimuli", f"there is no file {path}", "name the text file with the stimuli in order")
        return None
    order = path.read_text().split()
    missing = [name for name in stimuli or [] if name not in set(order)]
    if missing:
        chapter.refuse(
            f"{where}.stimuli", f"{path} does not name {len(missing)} of the pictures: {names(missing)}",
            "name pictures and RDMs alike, or leave these pictures out",
        )  # fmt: skip
    return order


def look_into(settings: RDMFile, path: Path, stimuli: Sequence[str], participant: int) -> None:
    """Ask the reader of a format for no time at all: it looks at everything else.

    Raises
    ------
    ValueError
        As the readers of `cliphba.meg.exchange`.
    """
    times = settings.file_times_ms
    if settings.format == "numpy":
        exchange.read_numpy_rdms(
            path, stimuli, times, participant=participant, window=settings.averaged_samples, times=NOTHING
        )
    elif settings.format == "rsatoolbox":
        exchange.read_rsatoolbox_rdms(path, stimuli, times, participant=participant, times=NOTHING)
    elif settings.format == "hdf5":
        exchange.read_hdf5_rdms(
            path, stimuli, times, participant=participant, variable=str(settings.variable), times=NOTHING
        )
    elif path.stat().st_size < LARGEST_MATLAB:
        exchange.read_matlab_rdms(
            path, stimuli, times, participant=participant, variable=str(settings.variable), times=NOTHING
        )
