"""Ranks of very long rows, such as RDMs of a thousand stimuli.

Sorting digit by digit (Knuth 1998, The Art of Computer Programming 3, section 5.2.5) goes through the values a fixed
number of times instead of comparing them, which is faster than any comparison sort from some ten thousand values on.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

# Bits that are sorted by at once: their counts just fit into the processor's nearest cache.
DIGIT = 11


def average_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1 of a row; tied values get their mean rank. All are not-a-number if any value is."""
    ranks = np.full(len(values), np.nan)
    if not np.isnan(values).any():
        _rank(_keys(values), ranks)
    return ranks


def _keys(values: NDArray[np.floating]) -> NDArray[np.unsignedinteger]:
    """Whole numbers in the order of the values."""
    # plus zero, because minus zero has bits of its own
    floats = values.astype(np.result_type(values, np.float32)) + 0
    whole = np.dtype(f"u{floats.itemsize}").type
    patterns, sign = floats.view(whole), whole(1 << 8 * floats.itemsize - 1)
    # negative values grow with falling bits
    keys: NDArray[np.unsignedinteger] = np.where(patterns & sign, ~patterns, patterns | sign)
    return keys


@numba.njit(cache=True, nogil=True)
def _rank(keys: NDArray[np.unsignedinteger], ranks: NDArray[np.float64]) -> None:
    order = np.arange(len(keys)).astype(np.int32)
    moved_keys, moved_order = np.empty_like(keys), np.empty_like(order)
    for shift in range(0, keys.itemsize * 8, DIGIT):
        ends = np.zeros(1 << DIGIT, dtype=np.int64)
        for index in range(len(keys)):
            ends[(keys[index] >> shift) & ((1 << DIGIT) - 1)] += 1
        if ends.max() == len(keys):
            continue
        places = np.cumsum(ends) - ends
        for index in range(len(keys)):
            digit = (keys[index] >> shift) & ((1 << DIGIT) - 1)
            place = places[digit]
            places[digit] += 1
            moved_keys[place], moved_order[place] = keys[index], order[index]
        keys, moved_keys, order, moved_order = moved_keys, keys, moved_order, order
    first = 0
    for place in range(1, len(keys) + 1):
        if place == len(keys) or keys[place] != keys[first]:
            for tied in range(first, place):
                ranks[order[tied]] = (first + 1 + place) / 2
            first = place
