"""RDMs of others in one published file, as a study's: its stimuli in its order, at the times of its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.collect.names import stimuli_of
from cliphba.listing import some
from cliphba.meg import exchange
from cliphba.sources import RDMFile
from cliphba.tables import LazyRDMs, RDMs

#: Time points that are read at once: a file may keep several in one piece.
BLOCK = 16

Read = Callable[[exchange.Chosen], RDMs]


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
    known = np.array(file.times_ms)
    places = np.flatnonzero(np.isin(known, np.round(grid_ms, 6)))
    if not len(places):
        raise ValueError(f"{path} has no RDM at a time of the grid: check start_ms, step_ms and samples")
    if order is None and file.format != "rsatoolbox":
        order = list(stimuli["stimulus"])
    read = reader(path, file, position, order)
    # a variable of MATLAB is loaded whole every time
    block = len(places) if file.format == "matlab" else BLOCK

    @lru_cache(maxsize=1)
    def load(number: int) -> RDMs:
        return read([int(place) for place in places[number * block : (number + 1) * block]])

    def row(index: int) -> NDArray[np.float32]:
        return load(index // block).row(index % block)

    given = load(0)
    series = LazyRDMs(known[places], given.stimuli, row, {"source": given.metadata["source"]})
    return _of_study(series, stimuli, path)


def _of_study(series: LazyRDMs, stimuli: pd.DataFrame, path: Path) -> LazyRDMs:
    """Restrict RDMs to a study's stimuli, by its names."""
    names = {stimulus: name for name, stimulus in stimuli_of(stimuli, series.stimuli, origin=str(path)).items()}
    wanted = tuple(stimuli["stimulus"])
    if missing := [stimulus for stimulus in wanted if stimulus not in names]:
        raise ValueError(
            f"{path}: {len(missing)} of the {len(wanted)} pictures ({some(missing)}) have no RDM; those of "
            f"the file are {some(series.stimuli)}: name both alike, or leave these pictures out"
        )
    return replace(series.of([names[stimulus] for stimulus in wanted]), stimuli=wanted)


def reader(path: Path, file: RDMFile, position: int, order: Sequence[str] | None) -> Read:
    """Give what reads some times of a file, by their numbers, and refuses a file that is not as described.

    Parameters
    ----------
    path, file, position
        As for `open_published`.
    order
        Names of the stimuli in the order of the matrices; None: a file of rsatoolbox names them itself.
    """
    times_ms, axes = file.file_times_ms, file.axes

    def read(times: exchange.Chosen) -> RDMs:
        if file.format == "rsatoolbox":
            return exchange.read_rsatoolbox_rdms(path, order, times_ms, participant=position, times=times)
        known = list(order or [])
        settings: dict[str, Any] = {
            "participant": position, "window": file.averaged_samples, "times": times, "axes": axes,
        }  # fmt: skip
        if file.format == "numpy":
            return exchange.read_numpy_rdms(path, known, times_ms, **settings)
        named = exchange.read_hdf5_rdms if file.format == "hdf5" else exchange.read_matlab_rdms
        return named(path, known, times_ms, variable=str(file.variable), **settings)

    return read
