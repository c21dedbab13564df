"""Onsets of trials: whether they can be what they are said to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from cliphba.check.bids_files import WHERE, Recorded
from cliphba.check.findings import Problem
from cliphba.config import TimeGrid


def judge_onsets(recorded: Sequence[Recorded], seconds: Mapping[Path, float], grid: TimeGrid) -> Iterator[Problem]:
    """Find trials without an onset, after the end of the recording, or so near its ends that epochs do not fit."""
    found: dict[str, list[tuple[int, Recorded]]] = {}
    for one in recorded:
        for what, count in count_faults(one, seconds[one.path], grid).items():
            if count:
                found.setdefault(what, []).append((count, one))
    for what, cases in found.items():
        total, (_, worst) = sum(count for count, _ in cases), max(cases, key=lambda case: case[0])
        lost, remedy, fatal = ONSETS[what]
        yield Problem(
            f"{WHERE}.events.onset",
            f"{total} trials {lost}, in {len(cases)} recordings such as {worst.path.name}",
            remedy,
            fatal=fatal,
        )


#: What can be wrong with an onset: what is said of such trials, the remedy, whether it is fatal.
ONSETS = {
    "none": (
        "have an onset that is no number and are lost",
        "if they are meant, name another column as events.onset or mend the tables of events",
        False,
    ),
    "twice": (
        "have the same onset as another",
        "let events.where keep one row a picture",
        True,
    ),
    "beyond": (
        "begin after the end of the recording",
        "events.onset must be in seconds from its start: name another column, or mend the tables of events",
        True,
    ),
    "cut": (
        "begin so near an end of the recording that their epochs do not fit, and are lost",
        "if they are many, let grid.start_ms and grid.stop_ms reach less far",
        False,
    ),
}  # fmt: skip


def count_faults(one: Recorded, seconds: float, grid: TimeGrid) -> dict[str, int]:
    """Count what is wrong with the onsets of a recording; where its duration is not known, only what can be known."""
    if one.trials is None:
        return {}
    onset = one.trials["onset"].to_numpy(float)
    known = onset[np.isfinite(onset)]
    beyond = known > seconds
    cut = (known + grid.start_ms / 1000 < 0) | (known + grid.stop_ms / 1000 > seconds)
    return {
        "none": len(onset) - len(known),
        "twice": len(known) - len(np.unique(known)),
        "beyond": int(beyond.sum()),
        "cut": int((cut & ~beyond).sum()),
    }
