"""Memory and disk: how much there is, and how it is written."""

from __future__ import annotations

import shutil
from pathlib import Path


def amount(megabytes: float) -> str:
    """Write an amount of memory or disk."""
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 100 else f"{megabytes:.0f} MB"


def room_mb(place: Path) -> float:
    """How much disk is free where a file or folder is to be, which need not be there yet."""
    there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(there).free / 1e6
