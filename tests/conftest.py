"""What several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# idle threads of tiny matrix products wait for each other and made tests a hundred times slower
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


def real_data(part: str) -> Path:
    """Folder of real recordings, photographs or tables; the calling test is skipped where there is none."""
    folder = Path(os.environ.get("CLIPHBA_REAL_DATA", ROOT / ".." / "shared" / "data")).resolve() / part
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set CLIPHBA_REAL_DATA to the folder that has them)")
    return folder


@pytest.fixture(scope="session")
def backbone_folder(tmp_path_factory):
    """Folder of a tiny CLIP with random weights."""
    from tests.small_clip import make_backbone  # noqa: PLC0415  (torch is for those who need it)

    return make_backbone(tmp_path_factory.mktemp("study") / "backbone")


@pytest.fixture(scope="session")
def backbone(backbone_folder):
    """Load the tiny CLIP; nobody may change it."""
    from cliphba.clip.backbone import load_backbone  # noqa: PLC0415

    return load_backbone(backbone_folder, "cpu")


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A copy of the repository in which the tiny study was run from nothing."""
    from tests.tiny_study import run_in_copy  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("study") / "repository"
    run_in_copy(folder)
    return folder


@pytest.fixture(scope="session")
def things(tmp_path_factory):
    """A copy of the repository in which the study of THINGS-MEG, made small, was run from its raw data."""
    from tests.things_runs import run_from_raw_data  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("things") / "repository"
    run_from_raw_data(folder)
    return folder
