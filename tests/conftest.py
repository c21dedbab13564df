"""What several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def real_data(part: str) -> Path:
    """Folder of real recordings, photographs or tables; the calling test is skipped where there is none."""
    folder = Path(os.environ.get("CLIPHBA_REAL_DATA", ROOT / ".." / "shared" / "data")).resolve() / part
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set CLIPHBA_REAL_DATA to the folder that has them)")
    return folder
