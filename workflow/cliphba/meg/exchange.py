"""RDMs of others: published files read one time point at a time, and files that rsatoolbox reads.

The array readers (HDF5, MATLAB, NumPy) take the identifiers of the stimuli and the times from the caller, since such
files hold neither. Axes are named as Python sees them: MATLAB v7.3 stores them in the opposite order of MATLAB's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat

from cliphba import rdm
from cliphba.tables import LazyRDMs, RDMs, atomic_path

Axis = Literal["participant", "time", "stimulus"]
Times = Sequence[float] | NDArray[np.floating]
Chosen = slice | Sequence[int]

#: Orders of axes in published files; the two equal axes and the number of times tell which it is.
ORDERS: tuple[tuple[Axis, ...], ...] = (
    ("participant", "time", "stimulus", "stimulus"),
    ("participant", "stimulus", "stimulus", "time"),
    ("time", "stimulus", "stimulus"),
    ("stimulus", "stimulus", "time"),
)
ALL = slice(None)
# Both triangles of a single-precision file agree far better than this; those of different pairs do not.
ASYMMETRY = 1e-5
# A chunk may span several times; one kept until the next time is read need not be decompressed again.
CHUNK_CACHE_BYTES = 2**28
CHUNK_CACHE_SLOTS = 100_003


def read_hdf5_rdms(
    path: Path | str,
    stimuli: Sequence[str],
    times_ms: Times,
    *,
    participant: int,
    variable: str = "mat",
    window: int = 1,
    times: Chosen = ALL,
    axes: Sequence[Axis] | None = None,
) -> RDMs:
    """Read one participant's RDMs from HDF5 or MATLAB v7.3, such as those of THINGS-MEG (Hebart et al., 2023).

    The file is never held whole. In memory are one matrix (stimuli, stimuli), at most 256 MiB of chunks, and the
    result: 4 bytes a pair and time, 1.9 GB for 281 times of 1854 stimuli. `tables.write_rdms` needs it whole.

    Parameters
    ----------
    path
        The file.
    stimuli
        Identifiers, in the order of the matrices.
    times_ms
        Time of every sample in the file, in ms from the onset.
    participant
        Which one, counted from 0; 0 where the array has no such axis.
    variable
        Name of the array.
    window
        Number of samples that are averaged, as in `read_numpy_rdms`; 1 for none.
    times
        Which of `times_ms` (those that are left, if samples are averaged) to read, as a slice or as indices.
    axes
        What the axes of the array are, as Python sees them; by default the one of `ORDERS` that fits.

    Returns
    -------
    RDMs
        Of the participant at the times chosen; values (times, pairs). The diagonal is ignored; if one triangle holds
        nothing but 0 or not-a-number, the other is taken.

    Raises
    ------
    ValueError
        If the file, the variable, its shape or its values are not as described.
    """
    path = Path(path)
    with _open_hdf5(path) as file:
        array = file.get(variable)
        if not isinstance(array, h5py.Dataset):
            raise ValueError(_no_variable(path, variable, [name for name in file if not name.startswith("#")]))
        return _gather(
            array, path, stimuli, times_ms, participant=participant, times=times, axes=axes, variable=variable,
            window=window,
        )  # fmt: skip


def read_matlab_rdms(
    path: Path | str,
    stimuli: Sequence[str],
    times_ms: Times,
    *,
    participant: int,
    variable: str = "result_dsm",
    window: int = 1,
    times: Chosen = ALL,
    axes: Sequence[Axis] | None = None,
) -> RDMs:
    """Read one participant's RDMs from a MATLAB file of before v7.3, whose variable is loaded whole.

    Parameters
    ----------
    path, stimuli, times_ms, participant, variable, window, times, axes
        As in `read_hdf5_rdms`; axes of length 1 beyond the four known ones are dropped.

    Returns
    -------
    RDMs
        As from `read_hdf5_rdms`.

    Raises
    ------
    ValueError
        As from `read_hdf5_rdms`.
    """
    path = Path(path)
    array = _load_matlab(path, variable)
    # published arrays may have an axis for the only session
    array = array.squeeze() if array.ndim > len(ORDERS[0]) else array
    return _gather(
        array,
        path,
        stimuli,
        times_ms,
        participant=participant,
        times=times,
        axes=axes,
        variable=variable,
        window=window,
    )


def read_numpy_rdms(
    path: Path | str,
    stimuli: Sequence[str],
    times_ms: Times,
    *,
    participant: int,
    window: int = 1,
    times: Chosen = ALL,
    axes: Sequence[Axis] | None = None,
) -> RDMs:
    """Read one participant's RDMs from a memory-mapped ``.npy`` file, averaged over trailing windows of samples.

    The first sample is kept as it is; after it, every `window` samples are averaged and stand at the time of the last
    of them. With a window of 5, the 1101 samples (1 ms) of the 118-image MEG data (Cichy, Pantazis & Oliva, 2016)
    become 221 (5 ms).

    Parameters
    ----------
    path, stimuli, times_ms, participant, axes
        As in `read_hdf5_rdms`.
    window
        Number of samples that are averaged; 1 for none.
    times
        Which of the averaged times to read, as a slice or as indices.

    Returns
    -------
    RDMs
        As from `read_hdf5_rdms`.

    Raises
    ------
    ValueError
        As from `read_hdf5_rdms`, and if the samples after the first are no multiple of `window`.
    """
    path = Path(path)
    _check_is_file(path)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is not a readable .npy array of numbers ({error}): fetch it again") from error
    return _gather(array, path, stimuli, times_ms, participant=participant, times=times, axes=axes, window=window)


def read_rsatoolbox_rdms(
    path: Path | str,
    stimuli: Sequence[str] | None = None,
    times_ms: Times | None = None,
    *,
    participant: int,
    times: Chosen = ALL,
) -> RDMs:
    """Read one participant's RDMs from the HDF5 file of an rsatoolbox ``RDMs`` object (van den Bosch et al., 2025).

    Parameters
    ----------
    path
        The file.
    stimuli
        Identifiers in order; by default the pattern descriptor ``stimulus``.
    times_ms
        Times of this participant's RDMs, in ms from the onset; by default the RDM descriptor ``time_ms``.
    participant
        Which one, counted from 0 in the order in which the RDM descriptor ``participant`` first names them; 0 where
        there is no such descriptor.
    times
        Which of `times_ms` to read, as a slice or as indices.

    Returns
    -------
    RDMs
        Of the participant at the times chosen. As in rsatoolbox, dissimilarities may be not-a-number.

    Raises
    ------
    ValueError
        If the file is no such file, lacks a descriptor, or does not fit the stimuli or times.
    """
    path = Path(path)
    with _open_hdf5(path) as file:
        dissimilarities = _toolbox_dissimilarities(file, path)
        rows, name = _rows_of(participant, file["rdm_descriptors"], len(dissimilarities), path)
        if stimuli is None:
            stimuli = _descriptor(file["pattern_descriptors"], "stimulus", path, remedy="stimuli")
        if times_ms is None:
            all_times = _descriptor(file["rdm_descriptors"], "time_ms", path, remedy="times_ms")
            times_ms = np.asarray(all_times, dtype=np.float64)[rows]
        stimuli, samples_ms = _check_stimuli(stimuli), _check_times(times_ms)
        _check_toolbox_shape(path, dissimilarities.shape[1], len(rows), stimuli, samples_ms)
        chosen = _choose(times, len(samples_ms))
        values = np.empty((len(chosen), dissimilarities.shape[1]), dtype=np.float32)
        for index, row in enumerate(rows[chosen]):
            values[index] = dissimilarities[row]
        metadata = {"source": {"file": path.name, "participant": participant}, **name}
        if isinstance(measure := file.attrs.get("dissimilarity_measure"), str):
            metadata["quantity"] = measure
    return RDMs(samples_ms[chosen], values, stimuli, metadata)


def write_rsatoolbox_rdms(rdms: Sequence[RDMs | LazyRDMs], path: Path | str) -> None:
    """Write RDMs of one or more participants to an HDF5 file that ``rsatoolbox.rdm.load_rdm`` reads.

    RDM descriptors are ``time_ms`` and ``participant`` (from the metadata, else a number), the pattern descriptor is
    ``stimulus``. Name the file ``.h5`` or ``.hdf5``, by which rsatoolbox knows it.

    Parameters
    ----------
    rdms
        Those of each participant, of the same stimuli and the same quantity; never more than one time point is made
        or read at once.
    path
        Where to; parent folders are made. A killed job never leaves a readable half.

    Raises
    ------
    ValueError
        If the RDMs do not belong together or a name is not ASCII, the only text that rsatoolbox reads.
    """
    path = Path(path)
    participants = [str(each.metadata.get("participant", index)) for index, each in enumerate(rdms)]
    _check_together(rdms, participants)
    labels = as_ascii(participants), as_ascii(rdms[0].stimuli)
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        _fill_toolbox_file(file, rdms, *labels)


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"there is no file {path}: check its path, or fetch it first")


def _no_variable(path: Path, variable: str, names: Sequence[str]) -> str:
    return f"{path} has no array {variable!r}: name one of those it holds as variable ({', '.join(names) or 'none'})"


def _load_matlab(path: Path, variable: str) -> NDArray[Any]:
    _check_is_file(path)
    try:
        names = [name for name, _, _ in whosmat(path)]
        content = loadmat(path, variable_names=[variable])
    except NotImplementedError as error:
        raise ValueError(f"{path} is a MATLAB v7.3 file: read it with read_hdf5_rdms") from error
    # Broken files fail in SciPy in many ways: IndexError, zlib.error, MatReadError ...
    except Exception as error:
        raise ValueError(f"{path} is not a readable MATLAB file ({error}): fetch it again") from error
    if not isinstance(content.get(variable), np.ndarray):
        raise ValueError(_no_variable(path, variable, names))
    array: NDArray[Any] = content[variable]
    return array


@contextmanager
def _open_hdf5(path: Path) -> Iterator[h5py.File]:
    _check_is_file(path)
    try:
        with h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES, rdcc_nslots=CHUNK_CACHE_SLOTS) as file:
            yield file
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read as HDF5 ({error}): fetch it again, or use read_matlab_rdms if it is a MATLAB "
            "file of before v7.3"
        ) from error


def _gather(
    array: Any,
    path: Path,
    stimuli: Sequence[str],
    times_ms: Times,
    *,
    participant: int,
    times: Chosen,
    axes: Sequence[Axis] | None,
    variable: str | None = None,
    window: int = 1,
) -> RDMs:
    """Read the RDMs of one participant from an array of matrices, one time point at a time."""
    name = f"{path}, variable {variable}" if variable else str(path)
    stimuli, samples_ms = _check_stimuli(stimuli), _check_times(times_ms)
    order = _find_order(array, name, len(stimuli), len(samples_ms), axes)
    _check_participant(participant, dict(zip(order, array.shape, strict=True)).get("participant", 1), name)
    averaged_ms = _check_window(samples_ms, window)
    chosen = _choose(times, len(averaged_ms))
    values = np.empty((len(chosen), len(rdm.pair_indices(len(stimuli))[0])), dtype=np.float32)
    for row, last in enumerate(chosen * window):
        window_samples = range(max(0, last - window + 1), last + 1)
        triangles = [_read_triangle(array, order, participant, sample, name) for sample in window_samples]
        values[row] = np.mean(triangles, axis=0)
    source = {"file": path.name, "variable": variable, "participant": participant, "window": window}
    return RDMs(averaged_ms[chosen], values, stimuli, {"source": source})


def _check_stimuli(stimuli: Sequence[str]) -> tuple[str, ...]:
    names = tuple(str(stimulus) for stimulus in stimuli)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"give two or more different stimuli: there are {len(names)}, {len(set(names))} different")
    return names


def _check_times(times_ms: Times) -> NDArray[np.float64]:
    checked = np.asarray(times_ms, dtype=np.float64)
    static = checked.shape == (1,) and np.isnan(checked[0])
    if checked.ndim != 1 or not len(checked) or not (static or (np.isfinite(checked).all() and _increases(checked))):
        raise ValueError(
            f"times_ms must be finite and increase from sample to sample, not {checked}: give the time of every "
            "sample of one participant, in ms"
        )
    return checked


def _increases(values: NDArray[np.float64]) -> bool:
    return bool((np.diff(values) > 0).all())


def _check_window(samples_ms: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Give the times at which trailing windows end; the first sample is a window of its own."""
    if window < 1 or (len(samples_ms) - 1) % window:
        raise ValueError(
            f"window is {window}, but the {len(samples_ms) - 1} samples after the first must be a multiple of it: "
            "give another window"
        )
    return samples_ms[::window]


def _choose(times: Chosen, count: int) -> NDArray[np.intp]:
    """Give the indices of the times chosen."""
    try:
        return np.arange(count)[times]
    except IndexError as error:
        raise ValueError(f"times asks for {times}, but there are {count}: count them from 0") from error


def _check_participant(participant: int, count: int, name: str) -> None:
    if not 0 <= participant < count:
        raise ValueError(f"{name} holds {count} participants, not one of number {participant}: count them from 0")


def _find_order(array: Any, name: str, stimuli: int, times: int, axes: Sequence[Axis] | None) -> tuple[Axis, ...]:
    """Tell which axis of an array is what."""
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} is of type {array.dtype}: an array of real numbers is needed, name another")
    square = [order for order in _orders(axes) if _fits(order, array.shape, stimuli)]
    if not square:
        raise ValueError(
            f"{name} has shape {array.shape}, which does not fit {stimuli} stimuli: give the stimuli of this file, "
            "all of them, or say with axes which axis is what"
        )
    fitting = [order for order in square if array.shape[order.index("time")] == times]
    if not fitting:
        found = " or ".join(str(array.shape[order.index("time")]) for order in square)
        raise ValueError(f"{name} has {found} times, times_ms {times}: give the time of every sample in the file")
    if len(fitting) > 1:
        choices = " or ".join(str(order) for order in fitting)
        raise ValueError(f"{name} has shape {array.shape}, which can be read in two ways: give axes, {choices}")
    return fitting[0]


def _orders(axes: Sequence[Axis] | None) -> tuple[tuple[Axis, ...], ...]:
    """Orders of axes to try: the one given, or all."""
    if axes is None:
        return ORDERS
    if sorted(axes) not in (sorted(ORDERS[0]), sorted(ORDERS[2])):
        raise ValueError(f"axes must be time, twice stimulus and perhaps participant, in any order, not {axes}")
    return (tuple(axes),)


def _fits(order: tuple[Axis, ...], shape: tuple[int, ...], stimuli: int) -> bool:
    return len(order) == len(shape) and all(
        size == stimuli for axis, size in zip(order, shape, strict=True) if axis == "stimulus"
    )


def _read_triangle(
    array: Any, order: tuple[Axis, ...], participant: int, sample: int, name: str
) -> NDArray[np.float64]:
    """Read the dissimilarities (pairs,) of one participant at one sample."""
    place: dict[str, int] = {"participant": participant, "time": sample}
    square = np.asarray(array[tuple(place.get(axis, ALL) for axis in order)], dtype=np.float64)
    return _take_triangle(square, f"{name}, participant {participant}, sample {sample}")


def _take_triangle(square: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Take the triangle that is filled; where both are, they must agree."""
    triangles = rdm.to_triangle(square), rdm.to_triangle(square.T)
    filled = [triangle for triangle in triangles if not (np.isnan(triangle) | (triangle == 0)).all()]
    if not filled:
        raise ValueError(f"{name}: both triangles are empty (0 or not-a-number): leave this time out with times")
    for triangle in filled:
        if undefined := int((~np.isfinite(triangle)).sum()):
            raise ValueError(
                f"{name}: {undefined} of {len(triangle)} pairs are not finite: leave this time out with times, or "
                "write a file without their stimuli"
            )
    difference = float(np.abs(filled[0] - filled[-1]).max())
    if difference > ASYMMETRY * np.abs(filled[0]).max():
        raise ValueError(
            f"{name}: the triangles differ by up to {difference:.3g}: average them first if both are meant"
        )
    return filled[0]


def _toolbox_dissimilarities(file: h5py.File, path: Path) -> h5py.Dataset:
    parts = ("dissimilarities", "rdm_descriptors", "pattern_descriptors")
    missing = [part for part in parts if part not in file]
    if missing or file["dissimilarities"].ndim != 2:
        raise ValueError(
            f"{path} is no file of RDMs of rsatoolbox (it holds {', '.join(file) or 'nothing'}): save them anew with "
            "RDMs.save, or use read_hdf5_rdms for matrices"
        )
    return file["dissimilarities"]


def _descriptor(group: h5py.Group, name: str, path: Path, *, remedy: str) -> list[Any]:
    """Values of a descriptor, which rsatoolbox keeps as an array or, some of text, as an attribute."""
    if name not in group and name not in group.attrs:
        known = ", ".join([*group, *group.attrs]) or "none"
        raise ValueError(f"{path} has no descriptor {name!r} in {group.name} (only {known}): give {remedy}")
    values = np.asarray(group[name][()] if name in group else group.attrs[name]).tolist()
    return [value.decode() if isinstance(value, bytes) else value for value in values]


def _rows_of(
    participant: int, descriptors: h5py.Group, count: int, path: Path
) -> tuple[NDArray[np.intp], dict[str, str]]:
    """Rows of a participant, and its name as metadata where there is one."""
    if "participant" not in descriptors and "participant" not in descriptors.attrs:
        _check_participant(participant, 1, str(path))
        return np.arange(count), {}
    owners = _descriptor(descriptors, "participant", path, remedy="participant")
    names = list(dict.fromkeys(owners))
    _check_participant(participant, len(names), str(path))
    name = names[participant]
    return np.flatnonzero([owner == name for owner in owners]), {"participant": str(name)}


def _check_toolbox_shape(
    path: Path, pairs: int, rows: int, stimuli: tuple[str, ...], samples_ms: NDArray[np.float64]
) -> None:
    if pairs != len(stimuli) * (len(stimuli) - 1) // 2:
        raise ValueError(
            f"{path} holds {pairs} pairs, which are not those of {len(stimuli)} stimuli: give all in order"
        )
    if rows != len(samples_ms):
        raise ValueError(
            f"{path} holds {rows} RDMs of this participant but times_ms {len(samples_ms)}: give one each"
        )


def _check_together(rdms: Sequence[RDMs | LazyRDMs], participants: Sequence[str]) -> None:
    if not rdms or len({each.stimuli for each in rdms}) > 1:
        raise ValueError("give RDMs of one or more participants with the same stimuli in the same order: use RDMs.of")
    quantities = {str(each.metadata.get("quantity")) for each in rdms}
    if len(quantities) > 1:
        raise ValueError(f"RDMs of several quantities ({', '.join(sorted(quantities))}): write a file for each")
    if len(set(participants)) < len(participants):
        raise ValueError("a participant comes twice: write the parts (halves) of the data to files of their own")


def as_ascii(names: Sequence[str]) -> NDArray[np.bytes_]:
    """Write names as rsatoolbox reads them.

    Raises
    ------
    ValueError
        If one cannot be written so.
    """
    wrong = [name for name in names if not name.isascii()]
    if wrong:
        raise ValueError(f"rsatoolbox reads ASCII names only, not {wrong[0]!r}: rename it")
    return np.array(names, dtype=np.bytes_)


def _fill_toolbox_file(
    file: h5py.File, rdms: Sequence[RDMs | LazyRDMs], participants: NDArray[np.bytes_], stimuli: NDArray[np.bytes_]
) -> None:
    """Write what ``rsatoolbox.rdm.RDMs.to_dict`` holds, as ``rsatoolbox.io.hdf5`` lays it out."""
    counts = [len(each.times_ms) for each in rdms]
    shape = (sum(counts), rdm.pair_count(len(stimuli)))
    dissimilarities = file.create_dataset("dissimilarities", shape, dtype=np.float32)
    rows = ((each, index) for each, count in zip(rdms, counts, strict=True) for index in range(count))
    for place, (each, index) in enumerate(rows):
        dissimilarities[place] = each.row(index)
    file.create_group("descriptors")
    file["rdm_descriptors/time_ms"] = np.concatenate([each.times_ms for each in rdms])
    file["rdm_descriptors/participant"] = np.repeat(participants, counts)
    file["pattern_descriptors/stimulus"] = stimuli
    quantity = rdms[0].metadata.get("quantity")
    if quantity is None:
        file["dissimilarity_measure"] = h5py.Empty("f")
    else:
        file.attrs["dissimilarity_measure"] = str(quantity)
