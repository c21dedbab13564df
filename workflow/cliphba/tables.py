"""Every table the workflow writes: its columns, its metadata, its safe way to disk and back.

Tables are Parquet. What a table is (its kind), of which stimuli in which order, and what made it (settings, seed,
versions, hashes of the inputs) travels in the file itself. A reader refuses a table of another kind. Writing is
atomic: a killed job never leaves a readable half.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cliphba import __version__, rdm

Measured = TypeVar("Measured", bound="RDMs | LazyRDMs")

METADATA_KEY = b"cliphba"

TEXT, REAL, WHOLE, TRUTH = pa.string(), pa.float64(), pa.int64(), pa.bool_()
REALS, BYTES = pa.list_(pa.float32()), pa.binary()

#: Whether the images, the recordings or judgements, and the people of a row had no part in fitting or choosing what
#: the row is about; what is not known to be independent is not.
INDEPENDENCE = {"independent_images": TRUTH, "independent_data": TRUTH, "independent_people": TRUTH}
ESTIMATE = {"value": REAL, "low": REAL, "high": REAL}
#: How many images, and participants or judges, models are compared on or with; judges may not be known: 0.
SIZE = {"images": WHOLE, "people": WHOLE}
#: What is claimed.
SUMMARY = {"metric": TEXT, "model": TEXT, "participant": TEXT, **ESTIMATE, "varies": TEXT, "p": REAL, "q": REAL,
           "test": TEXT, "p_people": REAL, **SIZE, **INDEPENDENCE}  # fmt: skip

#: The tidy tables: kind -> column -> type.
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    # stimuli and behaviour
    "stimuli": {"stimulus": TEXT, "concept": TEXT, "image_set": TEXT, "split": TEXT, "path": TEXT, "sha256": TEXT,
                "caption": TEXT},
    "dimensions": {"dimension": TEXT, "label": TEXT, "prompt": TEXT},
    "behavior_embedding": {"stimulus": TEXT, "dimension": TEXT, "value": REAL},
    "triplets": {"first": TEXT, "second": TEXT, "odd": TEXT, "participant": TEXT},
    "captioned_pictures": {"path": TEXT, "caption": TEXT, "split": TEXT},
    # the truth behind the simulated study
    "factors": {"stimulus": TEXT, "factor": TEXT, "value": REAL},
    "truth": {"participant": TEXT, "factor": TEXT, "gain": REAL, "latency_ms": REAL, "anatomy": WHOLE},
    # what pictures are like, whatever they show
    "complexity": {"stimulus": TEXT, "measure": TEXT, "value": REAL},
    # recordings
    "recordings": {"participant": TEXT, "session": TEXT, "half": TEXT},
    "trials": {"participant": TEXT, "session": TEXT, "recorded": WHOLE, "kept": WHOLE, "no_onset": WHOLE,
               "cut_off": WHOLE, "annotated": WHOLE, "amplitude": WHOLE, "range": WHOLE},
    # models
    "curves": {"time_ms": REAL, "richness": REAL, "generalisation": REAL, "noise": REAL},
    "reweighting": {"model": TEXT, "time_ms": REAL, "block": WHOLE, "weight": REAL},
    "training": {"stage": WHOLE, "epoch": WHOLE, "split": TEXT, "total": REAL, "pattern": REAL, "magnitude": REAL,
                 "generalisation": REAL},
    "backbone_quality": {"measure": TEXT, "value": REAL, "chance": REAL},
    "saliency": {"model": TEXT, "stimulus": TEXT, "time_ms": REAL, "saliency": REALS},
    "pictures": {"stimulus": TEXT, "png": BYTES},
    # models among each other, on any images
    "model_agreement": {"first": TEXT, "second": TEXT, "time_ms": REAL, "rho": REAL, "low": REAL, "high": REAL},
    "seen_differently": {"model": TEXT, "time_ms": REAL, "first": TEXT, "second": TEXT, "percentile": REAL,
                         "others": REAL, "difference": REAL},
    # evaluation
    "decoding": {"participant": TEXT, "half": TEXT, "time_ms": REAL, "quantity": TEXT, "value": REAL, "chance": REAL,
                 **INDEPENDENCE},
    "reliability": {"participant": TEXT, "time_ms": REAL, "correlation": REAL, "corrected": REAL, **INDEPENDENCE},
    "alignment": {"model": TEXT, "participant": TEXT, "time_ms": REAL, "rho": REAL, "low": REAL, "high": REAL,
                  "p": REAL, "p_people": REAL, **INDEPENDENCE},
    "contrast": {"contrast": TEXT, "participant": TEXT, "time_ms": REAL, **ESTIMATE, "p": REAL, "p_people": REAL,
                 **INDEPENDENCE},
    "ceiling": {"participant": TEXT, "time_ms": REAL, "bound": TEXT, **ESTIMATE, **INDEPENDENCE},
    "latency": {"curve": TEXT, "participant": TEXT, "quantity": TEXT, **ESTIMATE, **INDEPENDENCE},
    "behavior_rdm": {"source": TEXT, "first": TEXT, "second": TEXT, "value": REAL, **INDEPENDENCE},
    "behavior_course": {"model": TEXT, "time_ms": REAL, **ESTIMATE, **INDEPENDENCE},
    "odd_one_out": {"model": TEXT, "judge": TEXT, "judgements": WHOLE, **ESTIMATE, "varies": TEXT, **INDEPENDENCE},
    "identification": {"source": TEXT, "model": TEXT, "participant": TEXT, "rho": REAL, "centred": REAL,
                       "rank": REAL, **INDEPENDENCE},
    "differences": {"aspect": TEXT, "item": TEXT, "time_ms": REAL, "quantity": TEXT, **ESTIMATE, "p": REAL, "q": REAL,
                    **INDEPENDENCE},
    "second_order": {"space": TEXT, "first": TEXT, "second": TEXT, "dissimilarity": REAL, **INDEPENDENCE},
    "generalisation": {"source": TEXT, "time_ms": REAL, "other_time_ms": REAL, "value": REAL, **INDEPENDENCE},
    "dimension_course": {"model": TEXT, "quantity": TEXT, "dimension": TEXT, "time_ms": REAL, **ESTIMATE,
                         "rank": REAL, "rank_low": REAL, "rank_high": REAL, **INDEPENDENCE},
    "layer_alignment": {"model": TEXT, "block": WHOLE, "participant": TEXT, "time_ms": REAL, "rho": REAL, "low": REAL,
                        "high": REAL, "p": REAL, "p_people": REAL, **INDEPENDENCE},
    "layer_latency": {"model": TEXT, "block": WHOLE, "participant": TEXT, "quantity": TEXT, **ESTIMATE,
                      **INDEPENDENCE},
    "ablation": {"variant": TEXT, "metric": TEXT, "value": REAL, "low": REAL, "high": REAL, "worth": REAL,
                 "worth_low": REAL, "worth_high": REAL, **INDEPENDENCE},
    "data_efficiency": {"trained_on": TEXT, "amount": REAL, "metric": TEXT, "model": TEXT, **ESTIMATE, "varies": TEXT,
                        "p": REAL, "test": TEXT, **INDEPENDENCE},
    "held_out_participants": {"metric": TEXT, "model": TEXT, "participant": TEXT, **ESTIMATE, "varies": TEXT,
                              "p": REAL, "test": TEXT, "p_people": REAL, **SIZE, **INDEPENDENCE},
    "summary": SUMMARY,
    "external_summary": {"image_set": TEXT, **SUMMARY},
}  # fmt: skip


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_names(path: Path) -> list[str]:
    """Read a text file of names, one a line; lines are counted, so that none among them may be empty.

    Raises
    ------
    ValueError
        If it is not there, a line is empty, or a name stands there twice.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file of names")
    # some editors begin files with a byte order mark
    names = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()]
    if "" in names:
        raise ValueError(f"{path}: line {names.index('') + 1} is empty: write a name there, or take the line out")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{path}: the name {twice[0]} stands there twice: keep one")
    return names


def provenance(*, settings: Mapping[str, Any], inputs: Mapping[str, Path | str]) -> dict[str, Any]:
    """Describe what a result was made from: settings, code and library versions, hashes of the inputs.

    Parameters
    ----------
    settings
        Everything of the configuration, the seed included, that entered the result.
    inputs
        Name to file, or to the hash of its content where a file's bytes carry its date of writing (FIF).

    Returns
    -------
    dict
        JSON-ready, free of times and places, so that equal work gives equal bytes.
    """
    packages = ("numpy", "scipy", "mne", "torch", "open_clip_torch", "peft")
    versions = {name: version(name) for name in packages}
    return {
        "settings": dict(settings),
        "inputs": {name: digest(found) if isinstance(found, Path) else found for name, found in inputs.items()},
        "versions": {"cliphba": __version__, "python": platform.python_version(), **versions},
    }


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it into place."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside a file, renamed to it if all goes well and removed if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _encode(metadata: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Metadata as Parquet keeps them."""
    return {METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()}


def _write_table(table: pa.Table, path: Path, metadata: Mapping[str, Any]) -> None:
    table = table.replace_schema_metadata(_encode(metadata))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomically(Path(path), sink.getvalue().to_pybytes())


def _read_table(path: Path, kind: str) -> tuple[pa.Table, dict[str, Any]]:
    with _readable(path):
        table = pq.read_table(path)
    return table, _described(table.schema, path, kind)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the file in errors of what is read inside."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is not a readable Parquet table ({error}): remove it and run again") from error


def _described(schema: pa.Schema, path: Path, kind: str) -> dict[str, Any]:
    """Metadata of a table of the kind asked for."""
    metadata: dict[str, Any] = json.loads((schema.metadata or {}).get(METADATA_KEY, b"{}"))
    if metadata.get("kind") != kind:
        raise ValueError(f"{path} is a table of kind {metadata.get('kind')!r}, but {kind!r} is needed here")
    return metadata


def write(frame: pd.DataFrame, path: Path | str, kind: str, **metadata: Any) -> None:
    """Write a tidy table.

    Parameters
    ----------
    frame
        The rows; must have exactly the columns of the kind.
    path
        Where to; parent folders are made.
    kind
        A key of `COLUMNS`.
    **metadata
        JSON-ready values kept in the file, usually from `provenance`.

    Raises
    ------
    ValueError
        If columns are missing, superfluous or of another type.
    """
    columns = COLUMNS[kind]
    if set(frame.columns) != set(columns):
        raise ValueError(f"{path}: a {kind} table has the columns {list(columns)}, not {list(frame.columns)}")
    try:
        table = pa.Table.from_pandas(frame[list(columns)], schema=pa.schema(columns), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"{path}: a column of this {kind} table has the wrong type: {error}") from error
    _write_table(table, Path(path), {"kind": kind, **metadata})


def read(path: Path | str, kind: str) -> pd.DataFrame:
    """Read a tidy table of the kind asked for; its metadata are in ``frame.attrs``.

    Raises
    ------
    ValueError
        If the file is no Parquet table, of another kind, or lacks a column or has it with another type.
    """
    table, metadata = _read_table(Path(path), kind)
    found = dict(zip(table.column_names, table.schema.types, strict=True))
    wrong = [f"{name} ({wanted})" for name, wanted in COLUMNS[kind].items() if found.get(name) != wanted]
    if wrong:
        raise ValueError(f"{path} lacks the columns {', '.join(wrong)} of a {kind} table: write it again")
    frame: pd.DataFrame = table.to_pandas()
    frame.attrs.update(metadata)
    return frame


def by_folder(paths: Iterable[Path | str]) -> dict[str, Path]:
    """Name files by their folder and name, for `provenance`: many folders have files of the same names."""
    return {"/".join(path.parts[-2:]): path for path in map(Path, paths)}


def by_participant(measured: Iterable[Measured]) -> dict[str, Measured]:
    """Name RDMs by the participant that they are of, as their metadata say."""
    return {rdms.metadata["participant"]: rdms for rdms in measured}


def recorded(stimuli: pd.DataFrame, split: str) -> list[str]:
    """List the images of a split that were shown in recordings, from a table of kind ``stimuli``."""
    return list(stimuli.loc[(stimuli["image_set"] == "recorded") & (stimuli["split"] == split), "stimulus"])


def seen_pictures(stimuli: pd.DataFrame, elsewhere: pd.DataFrame) -> list[str]:
    """List stimuli whose picture is, byte for byte, one that a study trains on, or stops training by.

    Parameters
    ----------
    stimuli, elsewhere
        Tables of kind ``stimuli``: those asked about, and all of that study.
    """
    trained = elsewhere.loc[elsewhere["split"] != "test", "sha256"]
    return list(stimuli.loc[stimuli["sha256"].isin(trained), "stimulus"])


def _positions(stimuli: Sequence[str], *, among: Sequence[str]) -> NDArray[np.intp]:
    position = {stimulus: index for index, stimulus in enumerate(among)}
    missing = [stimulus for stimulus in stimuli if stimulus not in position]
    if missing:
        raise ValueError(f"there is no stimulus {missing[0]!r} ({len(missing)} of {len(stimuli)} are missing)")
    return np.array([position[stimulus] for stimulus in stimuli], dtype=np.intp)


def _on_grid(times_ms: NDArray[np.float64], grid_ms: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where each time stands on a grid."""
    nearest: NDArray[np.intp] = np.abs(grid_ms[:, None] - times_ms).argmin(axis=0)
    # models keep their times in single precision
    if not np.allclose(grid_ms[nearest], times_ms):
        raise ValueError("times_ms: the RDMs have times that are not on this grid; make them anew for it")
    return nearest


class RDMSeries(Protocol):
    """Dissimilarities of the same stimuli over time, one time point at a time; in memory or not.

    `RDMs` and `LazyRDMs` are such series.
    """

    @property
    def times_ms(self) -> NDArray[np.float64]:
        """(times,); a model without time course has one entry, not-a-number."""
        ...

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Identifiers in order."""
        ...

    @property
    def row(self) -> Callable[[int], NDArray[np.float32]]:
        """Give the dissimilarities (pairs,) at a time, by its index; not-a-number where undefined."""
        ...


@dataclass(frozen=True)
class RDMs:
    """Dissimilarities of the same stimuli over time.

    Attributes
    ----------
    times_ms
        (times,); a model without time course has one entry, not-a-number.
    values
        (times, pairs) float32, pairs in upper-triangle order of `stimuli`; not-a-number where undefined.
    stimuli
        Identifiers in order.
    metadata
        Measure, participant, half of the data, provenance.
    """

    times_ms: NDArray[np.float64]
    values: NDArray[np.float32]
    stimuli: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def static(cls, values: NDArray[np.floating], stimuli: Sequence[str]) -> RDMs:
        """Make RDMs without time course from (pairs,) dissimilarities."""
        return cls(np.array([np.nan]), values[None].astype(np.float32), tuple(stimuli))

    def without_time(self) -> RDMs:
        """Average over times after stimulus onset; what has no time course stays as it is."""
        if len(self.times_ms) == 1:
            return self
        return replace(self, times_ms=np.array([np.nan]), values=self.values[self.times_ms > 0].mean(0)[None])

    def row(self, index: int) -> NDArray[np.float32]:
        """Dissimilarities (pairs,) at a time, by its index."""
        row: NDArray[np.float32] = self.values[index]
        return row

    def of(self, stimuli: Sequence[str]) -> RDMs:
        """Restrict to some stimuli, in the order given.

        Raises
        ------
        ValueError
            If a stimulus is not among those measured.
        """
        chosen = _positions(stimuli, among=self.stimuli)
        return replace(self, values=rdm.select(self.values, chosen), stimuli=tuple(stimuli))

    def after_onset(self) -> RDMs:
        """Restrict to the times after stimulus onset, at which every model is defined."""
        response = self.times_ms > 0
        return replace(self, times_ms=self.times_ms[response], values=self.values[response])

    def at(self, times_ms: NDArray[np.float64]) -> RDMs:
        """Lay RDMs on a grid of times, not-a-number where they are undefined; static ones stay as they are.

        Raises
        ------
        ValueError
            If a time of the RDMs is not on the grid.
        """
        if np.isnan(self.times_ms).all():
            return self
        values = np.full((len(times_ms), self.values.shape[1]), np.nan, dtype=np.float32)
        values[_on_grid(self.times_ms, times_ms)] = self.values
        return replace(self, times_ms=times_ms, values=values)

    def to_tidy(self) -> pd.DataFrame:
        """One row for each time and pair: time_ms, first, second, value."""
        rows, columns = rdm.pair_indices(len(self.stimuli))
        names = np.array(self.stimuli)
        times = len(self.times_ms)
        return pd.DataFrame(
            {
                "time_ms": np.repeat(self.times_ms, len(rows)),
                "first": np.tile(names[rows], times),
                "second": np.tile(names[columns], times),
                "value": self.values.ravel(),
            }
        )


@dataclass(frozen=True)
class LazyRDMs:
    """Dissimilarities of the same stimuli over time that are read or made when they are asked for.

    Attributes
    ----------
    times_ms, stimuli, metadata
        As of `RDMs`.
    row
        Gives the dissimilarities (pairs,) at a time, by its index.
    """

    times_ms: NDArray[np.float64]
    stimuli: tuple[str, ...]
    row: Callable[[int], NDArray[np.float32]]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def of(self, stimuli: Sequence[str]) -> LazyRDMs:
        """Restrict to some stimuli, in the order given.

        Raises
        ------
        ValueError
            If a stimulus is not among those measured.
        """
        chosen = rdm.places(_positions(stimuli, among=self.stimuli), stimuli=len(self.stimuli))
        return replace(self, stimuli=tuple(stimuli), row=lambda index: self.row(index)[chosen])

    def at(self, times_ms: NDArray[np.float64]) -> LazyRDMs:
        """Lay RDMs on a grid of times, not-a-number where they are undefined; static ones stay as they are.

        Raises
        ------
        ValueError
            If a time of the RDMs is not on the grid.
        """
        if np.isnan(self.times_ms).all():
            return self
        own = {int(place): index for index, place in enumerate(_on_grid(self.times_ms, times_ms))}
        undefined = np.full(rdm.pair_count(len(self.stimuli)), np.nan, dtype=np.float32)
        return replace(self, times_ms=times_ms, row=lambda index: self.row(own[index]) if index in own else undefined)

    def load(self) -> RDMs:
        """Read or make them all: 4 bytes a pair and time, 1.9 GB for 281 times of 1854 stimuli."""
        values = np.empty((len(self.times_ms), rdm.pair_count(len(self.stimuli))), dtype=np.float32)
        for index, row in enumerate(values):
            row[:] = self.row(index)
        return RDMs(self.times_ms, values, self.stimuli, self.metadata)


@dataclass(frozen=True)
class Embedding:
    """What a model gives for a set of images.

    Attributes
    ----------
    times_ms
        (times,); a static model has one entry, not-a-number.
    values
        (times, stimuli, dimensions) float32; not-a-number at times where the model is undefined.
    stimuli
        Identifiers in order.
    metadata
        Model, image set, provenance.
    """

    times_ms: NDArray[np.float64]
    values: NDArray[np.float32]
    stimuli: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def of(self, stimuli: Sequence[str]) -> Embedding:
        """Restrict to some stimuli, in the order given.

        Raises
        ------
        ValueError
            If a stimulus is not among those embedded.
        """
        chosen = _positions(stimuli, among=self.stimuli)
        return replace(self, values=self.values[:, chosen], stimuli=tuple(stimuli))

    def rdms(self, stimuli: Sequence[str]) -> RDMs:
        """RDMs (1 - Pearson over dimensions) of some of the stimuli, in the order given.

        Raises
        ------
        ValueError
            If a stimulus is not among those embedded.
        """
        return self.series(stimuli).load()

    def series(self, stimuli: Sequence[str]) -> LazyRDMs:
        """Give the same RDMs, each made when it is asked for.

        Raises
        ------
        ValueError
            If a stimulus is not among those embedded.
        """
        chosen = _positions(stimuli, among=self.stimuli)
        return LazyRDMs(
            self.times_ms, tuple(stimuli), lambda index: _rdm_of(self.values[index, chosen]), self.metadata
        )


@dataclass(frozen=True)
class LazyEmbedding:
    """What a model gives for a set of images, made when it is asked for.

    Attributes
    ----------
    times_ms, stimuli, metadata
        As of `Embedding`.
    row
        Gives the embedding (stimuli, dimensions) at a time, by its index.
    """

    times_ms: NDArray[np.float64]
    stimuli: tuple[str, ...]
    row: Callable[[int], NDArray[np.float32]]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def rdms(self) -> LazyRDMs:
        """Give the RDMs (1 - Pearson over dimensions), each made when it is asked for."""
        return LazyRDMs(self.times_ms, self.stimuli, lambda index: _rdm_of(self.row(index)), self.metadata)

    def load(self) -> Embedding:
        """Make it at all times."""
        values = np.stack([self.row(index) for index in range(len(self.times_ms))])
        return Embedding(self.times_ms, values, self.stimuli, self.metadata)


def _rdm_of(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """RDM (pairs,) of an embedding (stimuli, dimensions)."""
    return np.asarray(rdm.correlation_distance(values.astype(np.float64)), dtype=np.float32)


@dataclass(frozen=True)
class ClassTokens:
    """Class token of each image after every block of a vision tower.

    Attributes
    ----------
    values
        (blocks, stimuli, width) float32, the first block first.
    stimuli
        Identifiers in order.
    metadata
        Model, provenance.
    """

    values: NDArray[np.float32]
    stimuli: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def rdms(self) -> dict[int, RDMs]:
        """Block, from 1 on, to its RDM: 1 - cosine, without time course."""
        units = rdm.unit(self.values, "cosine")
        distances = (1 - rdm.to_triangle(block @ block.T) for block in units)
        return {number: RDMs.static(one, self.stimuli) for number, one in enumerate(distances, start=1)}


def _fixed_lists(values: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[-1])


def write_rdms(rdms: RDMs, path: Path | str, **metadata: Any) -> None:
    """Write RDMs: a row is a time point, its dissimilarities one fixed-size list."""
    # kind and order are those of these RDMs: metadata that were read from a file still have that file's
    described = {name: value for name, value in rdms.metadata.items() if name not in ("kind", "stimuli")}
    write_rdm_rows(rdms.values, path, times_ms=rdms.times_ms, stimuli=rdms.stimuli, **{**described, **metadata})


def write_rdm_rows(
    rows: Iterable[NDArray[np.float32]],
    path: Path | str,
    *,
    times_ms: NDArray[np.float64],
    stimuli: Sequence[str],
    **metadata: Any,
) -> None:
    """Write RDMs time point by time point, so that never more than one is in memory.

    Parameters
    ----------
    rows
        (pairs,) of each time point, in order.
    path
        Where to; parent folders are made.
    times_ms
        (times,).
    stimuli
        Identifiers in order.
    **metadata
        JSON-ready values kept in the file.

    Raises
    ------
    ValueError
        If an RDM has not as many pairs as the stimuli have, or there are not as many as times.
    """
    described = {**metadata, "kind": "rdm", "stimuli": list(stimuli)}
    pairs = rdm.pair_count(len(stimuli))
    schema = pa.schema({"time_ms": REAL, "dissimilarity": pa.list_(pa.float32(), pairs)}, _encode(described))
    with atomic_path(Path(path)) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for time, row in zip(times_ms, rows, strict=True):
            if row.shape != (pairs,):
                raise ValueError(f"{path}: {len(stimuli)} stimuli have {pairs} pairs, but an RDM has {row.shape}")
            columns = [pa.array([time], REAL), _fixed_lists(np.asarray(row, dtype=np.float32)[None])]
            writer.write_table(pa.table(columns, schema=schema))


def open_rdms(path: Path | str) -> LazyRDMs:
    """Open RDMs written by `write_rdms`, to be read one time point at a time.

    The file is closed between time points. What was read last is kept: a row group, which is one time point in the
    files of `write_rdms`.

    Raises
    ------
    ValueError
        If the file is not an RDM table or its stimuli and its values do not belong together.
    """
    path = Path(path)
    with _readable(path), pq.ParquetFile(path) as file:
        schema, footer = file.schema_arrow, file.metadata
        metadata = _described(schema, path, "rdm")
        times_ms = file.read(columns=["time_ms"])["time_ms"].to_numpy()
    stimuli, pairs = tuple(metadata["stimuli"]), schema.field("dissimilarity").type.list_size
    if rdm.stimulus_count(pairs) != len(stimuli):
        raise ValueError(f"{path} names {len(stimuli)} stimuli but holds {pairs} pairs: write it again")
    ends = np.cumsum([footer.row_group(group).num_rows for group in range(footer.num_row_groups)])

    @lru_cache(maxsize=1)
    def read(group: int) -> NDArray[np.float32]:
        with _readable(path), pq.ParquetFile(path, metadata=footer) as file:
            lists = file.read_row_group(group, columns=["dissimilarity"])["dissimilarity"].combine_chunks()
        values: NDArray[np.float32] = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, pairs)
        return values

    def row(index: int) -> NDArray[np.float32]:
        group = int(np.searchsorted(ends, index, side="right"))
        found: NDArray[np.float32] = read(group)[index - ends[group]]
        return found

    return LazyRDMs(times_ms, stimuli, row, metadata)


def read_rdms(path: Path | str, *, of: Sequence[str] | None = None) -> RDMs:
    """Read RDMs written by `write_rdms`.

    Parameters
    ----------
    path
        The file.
    of
        Stimuli to restrict them to, in the order given; all if left out. Never more than one time point of all
        stimuli is in memory.

    Raises
    ------
    ValueError
        If the file is not an RDM table, its stimuli and its values do not belong together, or a stimulus is not among
        those measured.
    """
    series = open_rdms(path)
    return (series if of is None else series.of(of)).load()


def write_embedding(embedding: Embedding, path: Path | str, **metadata: Any) -> None:
    """Write an embedding: a row is a stimulus at a time, its dimensions one fixed-size list."""
    described = {**embedding.metadata, **metadata, "kind": "embedding"}
    _write_lists({"time_ms": embedding.times_ms}, embedding.values, embedding.stimuli, Path(path), described)


def write_embedding_rows(embedding: LazyEmbedding, path: Path | str, **metadata: Any) -> None:
    """Write what `write_embedding` writes, time point by time point: never more than one is in memory."""
    described = {**embedding.metadata, **metadata, "kind": "embedding", "stimuli": list(embedding.stimuli)}
    names = pa.array(embedding.stimuli)
    rows = map(embedding.row, range(len(embedding.times_ms)))
    dimensions = (first := next(rows)).shape[1]
    schema = pa.schema({"time_ms": REAL, "stimulus": TEXT, "value": pa.list_(pa.float32(), dimensions)})
    schema = schema.with_metadata(_encode(described))
    with atomic_path(Path(path)) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for time, row in zip(embedding.times_ms, chain([first], rows), strict=True):
            columns = [pa.array(np.full(len(row), time)), names, _fixed_lists(row)]
            writer.write_table(pa.table(columns, schema=schema))


def write_class_tokens(tokens: ClassTokens, path: Path | str, **metadata: Any) -> None:
    """Write class tokens: a row is a stimulus at a block, its token one fixed-size list."""
    blocks = np.arange(1, len(tokens.values) + 1)
    described = {**tokens.metadata, **metadata, "kind": "class_tokens"}
    _write_lists({"block": blocks}, tokens.values, tokens.stimuli, Path(path), described)


def read_class_tokens(path: Path | str) -> ClassTokens:
    """Read class tokens written by `write_class_tokens`.

    Raises
    ------
    ValueError
        If the file is not a table of class tokens.
    """
    table, metadata = _read_table(Path(path), "class_tokens")
    stimuli = tuple(metadata["stimuli"])
    return ClassTokens(_read_lists(table, len(stimuli)), stimuli, metadata)


def _write_lists(
    axis: Mapping[str, NDArray[Any]],
    values: NDArray[np.float32],
    stimuli: Sequence[str],
    path: Path,
    metadata: Mapping[str, Any],
) -> None:
    """Write (axis, stimuli, list) with a row for each list; the axis by its name."""
    along = {name: pa.array(np.repeat(places, len(stimuli))) for name, places in axis.items()}
    lists = {"stimulus": pa.array(list(stimuli) * len(values)), "value": _fixed_lists(values.astype(np.float32))}
    _write_table(pa.table({**along, **lists}), path, {**metadata, "stimuli": list(stimuli)})


def _read_lists(table: pa.Table, stimuli: int) -> NDArray[np.float32]:
    lists = table["value"].combine_chunks()
    values: NDArray[np.float32] = lists.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(-1, stimuli, lists.type.list_size)


def read_embedding(path: Path | str) -> Embedding:
    """Read an embedding written by `write_embedding`.

    Raises
    ------
    ValueError
        If the file is not an embedding table.
    """
    table, metadata = _read_table(Path(path), "embedding")
    stimuli = tuple(metadata["stimuli"])
    times_ms = table["time_ms"].to_numpy()[:: len(stimuli)]
    return Embedding(times_ms, _read_lists(table, len(stimuli)), stimuli, metadata)
