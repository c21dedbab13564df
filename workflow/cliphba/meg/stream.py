"""RDMs of epochs that do not fit into memory: read in blocks of time points, computed one by one, kept as parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cliphba.meg.engine import PatternRDM
from cliphba.meg.parts import Parts
from cliphba.meg.read import Sessions
from cliphba.progress import track

# Every block reads all files from their beginning to their end: few large blocks rather than many small ones.
BLOCK_BYTES = 1_000_000_000


def compute_parts(sessions: Sessions, rdm: PatternRDM, parts: Parts, *, label: str) -> None:
    """Compute the RDMs of all time points that are not among the parts yet.

    Memory is that of one block of patterns (`BLOCK_BYTES`, or one time point) and of one RDM, whatever the number of
    times and stimuli.

    Parameters
    ----------
    sessions
        Epochs, in memory or on disk.
    rdm
        From `cliphba.meg.engine.prepare` for the trials of these sessions.
    parts
        Where finished time points are kept.
    label
        What the progress bar says.
    """
    missing = parts.missing(len(sessions.times_ms))
    for time, patterns in track(_patterns(sessions, missing), label, unit="time point", total=len(missing)):
        parts.save(time, rdm(patterns))


def _patterns(sessions: Sessions, times: list[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Give each time point's patterns (trials, channels), reading as many at once as fit into a block."""
    size = max(1, BLOCK_BYTES // sessions.bytes_of_a_time)
    while times:
        start = times[0]
        inside = [time for time in times if time < start + size]
        block = sessions.patterns(start, inside[-1] + 1)
        for time in inside:
            yield time, block[:, :, time - start]
        times = times[len(inside) :]


def content_digest(sessions: Sessions) -> str:
    """SHA-256 of all patterns: a FIF file's own bytes carry its date of writing."""
    found = hashlib.sha256()
    for _, patterns in _patterns(sessions, list(range(len(sessions.times_ms)))):
        found.update(np.ascontiguousarray(patterns).tobytes())
    return found.hexdigest()
