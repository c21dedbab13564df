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
