"""Finished time points of a long job: small files that survive a kill, until the table is written."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cliphba.tables import write_atomically


@dataclass(frozen=True)
class Parts:
    """A folder of finished time points, one file each.

    Attributes
    ----------
    folder
        Of this work alone (`cliphba.scratch.folder_for`).
    """

    folder: Path

    def missing(self, times: int) -> list[int]:
        """Time points that are still to be computed."""
        return [time for time in range(times) if not self._path(time).exists()]

    def save(self, time: int, values: NDArray[np.float32]) -> None:
        """Keep a finished time point."""
        content = io.BytesIO()
        np.save(content, values)
        write_atomically(self._path(time), content.getvalue())

    def load(self, times: int) -> Iterator[NDArray[np.float32]]:
        """Read time points one after the other."""
        for time in range(times):
            yield np.load(self._path(time))

    def _path(self, time: int) -> Path:
        return self.folder / f"{time:04d}.npy"


def file_states(paths: Mapping[str, Path]) -> dict[str, tuple[int, int]]:
    """Size and time of change of files: enough to tell whether they are still those that parts were made from."""
    states = {name: path.stat() for name, path in paths.items()}
    return {name: (state.st_size, state.st_mtime_ns) for name, state in states.items()}
