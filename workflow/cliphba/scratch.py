"""A place for what a long job has finished, found again by the same job after it was killed, and by no other."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def place_for(folder: Path | str) -> Path:
    """Say where a job's scratch is: the folder itself, or its like under ``CLIPHBA_SCRATCH``, if that is set.

    Parameters
    ----------
    folder
        Of one job alone, relative to the working directory. The whole path is kept under ``CLIPHBA_SCRATCH``, so that
        studies of the same name in other directories have other places.
    """
    folder, elsewhere = Path(folder), os.environ.get("CLIPHBA_SCRATCH")
    if not elsewhere:
        return folder
    whole = folder.absolute()
    return Path(elsewhere) / whole.relative_to(whole.anchor)


def folder_for(scratch: Path, work: Mapping[str, Any]) -> Path:
    """Name the folder of some work.

    Folders of other work in the same place, left behind by jobs that will never go on, are removed.

    Parameters
    ----------
    scratch
        Of one job alone; see `place_for`.
    work
        All that the result depends on, JSON-ready.
    """
    key = hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()[:16]
    for other in scratch.glob("*"):
        if other.name != key:
            shutil.rmtree(other)
    return scratch / key
