"""RDMs of others in one published file, as a study's: its stimuli in its order, at the times of its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.collect.names import shorten, stimuli_of
from cliphba.meg import exchange
from cliphba.sources import RDMFile
from cliphba.tables import LazyRDMs, RDMs

#: Time points that are read at once: a file may keep several in one piece.
BLOCK = 16

Read = Callable[[Sequence[int]], RDMs]


def open_published(
    path: Path,
    file: RDMFile,
    *,
    position: int,
    stimuli: pd.DataFrame,
    grid_ms: Sequence[float],
    order: Sequence[str] | None = None,
) -> LazyRDMs:
    """Open the RDMs of one participant, to be read one time point after the other.

    Parameters
    ----------
    path
        The file.
    file
        What it holds.
    position
        Which participant, counted from 0.
    stimuli
        Columns ``stimulus`` and ``concept``, in the order that is wanted.
    grid_ms
        Times that are wanted, as far as the file has them.
    order
        Names of the stimuli in the order of the matrices, which may be more than are wanted; None: those wanted, but
        of rsatoolbox those that the file names itself.

    Returns
    -------
    LazyRDMs
        Of the stimuli wanted, at the times wanted that there are.

    Raises
    ------
    ValueError
        If the file is not as described, lacks a stimulus, or has none of the times.
    """
    known = np.round(file.times_ms, 6)
    places = np.flatnonzero(np.isin(known, np.round(grid_ms, 6)))
    if not len(places):
        raise ValueError(f"{path} has no RDM at a time of the grid: check start_ms, step_ms and samples")
    read = _reader(path, file, position, None if order is None else list(order), stimuli)
    # a variable of MATLAB is loaded whole every time
    block = len(places) if file.format == "matlab" else BLOCK
    first = read([int(places[0])])
    given = tuple(first.stimuli)

    @lru_cache(maxsize=1)
    def load(number: int) -> NDArray[np.float32]:
        return read([int(place) for place in places[number * block : (number + 1) * block]]).values

    def row(index: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = load(index // block)[index % block]
        return found

    series = LazyRDMs(known[places], given, row, {"source": first.metadata["source"]})
    return _of_study(series, stimuli, path)


def read_order(path: Path) -> list[str]:
    """Read names of stimuli, one a line.

    Raises
    ------
    ValueError
        If the file is missing or a name stands there twice.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}: it should name the stimuli in the order of the RDMs' matrices")
    names = path.read_text(encoding="utf-8-sig").split("\n")
    names = [name.strip() for name in names if name.strip()]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path}: {twice!r} stands there twice: name every stimulus once, one a line")
    return names


def _reader(path: Path, file: RDMFile, position: int, order: list[str] | None, stimuli: pd.DataFrame) -> Read:
    """Give what reads some times of the file, by their numbers."""
    names = list(stimuli["stimulus"]) if order is None else order
    everything: dict[str, Any] = {"participant": position}
    readers: dict[str, Read] = {
        "hdf5": lambda times: exchange.read_hdf5_rdms(
            path, names, file.file_times_ms, variable=str(file.variable), times=times, **everything
        ),
        "matlab": lambda times: exchange.read_matlab_rdms(
            path, names, file.file_times_ms, variable=str(file.variable), times=times, **everything
        ),
        "numpy": lambda times: exchange.read_numpy_rdms(
            path, names, file.file_times_ms, window=file.averaged_samples, times=times, **everything
        ),
        "rsatoolbox": lambda times: exchange.read_rsatoolbox_rdms(
            path, order, file.file_times_ms, times=times, **everything
        ),
    }
    return readers[file.format]
