"""Threads of compiled code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
from scipy.linalg import cython_blas  # noqa: F401  (the BLAS that numba calls: only what is loaded can be limited)
from threadpoolctl import threadpool_limits


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limit numba to some threads and BLAS, which runs inside each of them, to one; restore both afterwards."""
    before = numba.get_num_threads()
    numba.set_num_threads(max(1, min(threads, before)))
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        numba.set_num_threads(before)
