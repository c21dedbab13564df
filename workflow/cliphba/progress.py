"""Telling people how far a job is: a bar on a terminal, a line every tenth of the way in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

logger = logging.getLogger(__name__)


def log_to(path: str | Path) -> None:
    """Send log records, warnings and error messages of this process to a file."""
    stream = Path(path).open("w", buffering=1)  # noqa: SIM115  (open as long as the process lives)
    sys.stderr = stream
    logging.basicConfig(
        stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.captureWarnings(True)


def track(items: Iterable[Item], label: str, *, unit: str, total: int | None = None) -> Iterator[Item]:
    """Pass items through and report progress.

    Parameters
    ----------
    items
        What is worked through.
    label
        What is being done.
    unit
        What an item is called.
    total
        Number of items, where `items` cannot tell.

    Yields
    ------
    Item
        The items, one by one.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, desc=label, unit=unit, total=total)
        return
    count = total if total is not None else len(items) if isinstance(items, Sized) else 0
    told, started = 0, time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if count and done * 10 // count > told:
            told = done * 10 // count
            left = timedelta(seconds=round((time.monotonic() - started) / done * (count - done)))
            logger.info("%s: %s %d of %d, about %s left", label, unit, done, count, left)
