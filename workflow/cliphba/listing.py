"""Lists of names in messages: the first few, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable

# Names told at most, if nothing else is said.
TOLD = 5


def some(names: Iterable[object], told: int = TOLD) -> str:
    """Put names into a message, the first few of them if there are many."""
    everything = [str(name) for name in names]
    left = len(everything) - told
    return ", ".join(everything[:told]) + (f" and {left} more" if left > 0 else "")
