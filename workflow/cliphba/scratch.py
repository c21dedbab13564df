"""A place for what a long job has finished, found again by the same job after it was killed, and by no other."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def folder_for(scratch: Path, work: Mapping[str, Any]) -> Path:
    """Name the folder of some work.

    Folders of other work in the same place, left behind by jobs that will never go on, are removed.

    Parameters
    ----------
    scratch
        Of one job alone.
    work
        All that the result depends on, JSON-ready.
    """
    key = hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()[:16]
    for other in scratch.glob("*"):
        if other.name != key:
            shutil.rmtree(other)
    return scratch / key
