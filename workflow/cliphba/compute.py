"""What the machine has."""

from __future__ import annotations

import os


def available_threads(granted: int) -> int:
    """Give the threads a job may use: those it was granted, but no more than there are processors for it.

    Parameters
    ----------
    granted
        Threads that the scheduler granted; ``snakemake --cores 8`` grants eight on a machine with two.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(granted, processors)


def give_way() -> None:
    """Let other jobs on this machine go first.

    For jobs off the longest way through the workflow: with as many cores promised as there are not, they would slow
    down the one that everything waits for.
    """
    if hasattr(os, "nice"):
        os.nice(10)
