"""Sharing work out to threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from scipy.linalg import cython_blas  # noqa: F401  (the BLAS that numba calls: only what is loaded can be limited)
from threadpoolctl import threadpool_limits


def share_out(work: Callable[[int], None], items: int, *, threads: int) -> None:
    """Do compiled work for items 0, 1, ..., each in one of several threads.

    Parameters
    ----------
    work
        Takes the number of an item; the results of different items may not depend on each other. Compiled without
        Python's lock (`cliphba.meg.compiling`), else the threads wait for one another.
    items
        How many there are; those that take longest come first, at best.
    threads
        BLAS, which runs inside each of them, has one thread there: with threads of its own it would fight them.
    """
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        # the list raises what a thread raised
        list(pool.map(work, range(items)))
