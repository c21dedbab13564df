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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cliphba import __version__, rdm

METADATA_KEY = b"cliphba"

TEXT, REAL, WHOLE, TRUTH = pa.string(), pa.float64(), pa.int64(), pa.bool_()

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
    # recordings
    "recordings": {"participant": TEXT, "session": TEXT, "half": TEXT},
    "trials": {"participant": TEXT, "session": TEXT, "recorded": WHOLE, "kept": WHOLE},
    # models
    "curves": {"time_ms": REAL, "richness": REAL, "generalisation": REAL, "noise": REAL},
    "reweighting": {"model": TEXT, "time_ms": REAL, "block": WHOLE, "weight": REAL},
    "training": {"stage": WHOLE, "epoch": WHOLE, "split": TEXT, "total": REAL, "pattern": REAL, "magnitude": REAL,
                 "generalisation": REAL},
    "backbone_quality": {"measure": TEXT, "value": REAL, "chance": REAL},
    # evaluation
    "decoding": {"participant": TEXT, "half": TEXT, "time_ms": REAL, "quantity": TEXT, "value": REAL, "chance": REAL},
    "reliability": {"participant": TEXT, "time_ms": REAL, "correlation": REAL, "corrected": REAL},
    "alignment": {"model": TEXT, "participant": TEXT, "time_ms": REAL, "rho": REAL, "low": REAL, "high": REAL},
    "ceiling": {"time_ms": REAL, "lower": REAL, "upper": REAL},
    "behavior_rdm": {"source": TEXT, "first": TEXT, "second": TEXT, "value": REAL},
    "identification": {"source": TEXT, "model": TEXT, "participant": TEXT, "rho": REAL, "centred": REAL},
    "ablation": {"variant": TEXT, "metric": TEXT, "value": REAL, "low": REAL, "high": REAL, "worth": REAL,
                 "worth_low": REAL, "worth_high": REAL},
    "summary": {"metric": TEXT, "model": TEXT, "participant": TEXT, "value": REAL, "low": REAL, "high": REAL,
                "p": REAL, "varies": TEXT, "independent": TEXT},
}  # fmt: skip


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is not a readable Parquet table ({error}): remove it and run again") from error
    metadata = json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    if metadata.get("kind") != kind:
        raise ValueError(f"{path} is a table of kind {metadata.get('kind')!r}, but {kind!r} is needed here")
    return table, metadata


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


def _positions(stimuli: Sequence[str], *, among: Sequence[str]) -> NDArray[np.intp]:
    position = {stimulus: index for index, stimulus in enumerate(among)}
    missing = [stimulus for stimulus in stimuli if stimulus not in position]
    if missing:
        raise ValueError(f"there is no stimulus {missing[0]!r} ({len(missing)} of {len(stimuli)} are missing)")
    return np.array([position[stimulus] for stimulus in stimuli], dtype=np.intp)


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

    def of(self, stimuli: Sequence[str]) -> RDMs:
        """Restrict to some stimuli, in the order given.

        Raises
        ------
        ValueError
            If a stimulus is not among those measured.
        """
        chosen = _positions(stimuli, among=self.stimuli)
        return replace(self, values=rdm.select(self.values, chosen), stimuli=tuple(stimuli))

    def at(self, times_ms: NDArray[np.float64]) -> RDMs:
        """Lay RDMs on a grid of times, not-a-number where they are undefined; static ones stay as they are.

        Raises
        ------
        ValueError
            If a time of the RDMs is not on the grid.
        """
        if np.isnan(self.times_ms).all():
            return self
        nearest = np.abs(times_ms[:, None] - self.times_ms).argmin(axis=0)
        # models keep their times in single precision
        if not np.allclose(times_ms[nearest], self.times_ms):
            raise ValueError("times_ms: the RDMs have times that are not on this grid; make them anew for it")
        values = np.full((len(times_ms), self.values.shape[1]), np.nan, dtype=np.float32)
        values[nearest] = self.values
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

    def rdms(self, stimuli: Sequence[str]) -> RDMs:
        """RDMs (1 - Pearson over dimensions) of some of the stimuli, in the order given.

        Raises
        ------
        ValueError
            If a stimulus is not among those embedded.
        """
        chosen = _positions(stimuli, among=self.stimuli)
        distances = rdm.correlation_distance(self.values[:, chosen].astype(np.float64))
        return RDMs(self.times_ms, distances.astype(np.float32), tuple(stimuli), self.metadata)


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
    pairs = len(stimuli) * (len(stimuli) - 1) // 2
    schema = pa.schema({"time_ms": REAL, "dissimilarity": pa.list_(pa.float32(), pairs)}, _encode(described))
    with atomic_path(Path(path)) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for time, row in zip(times_ms, rows, strict=True):
            if row.shape != (pairs,):
                raise ValueError(f"{path}: {len(stimuli)} stimuli have {pairs} pairs, but an RDM has {row.shape}")
            columns = [pa.array([time], REAL), _fixed_lists(np.asarray(row, dtype=np.float32)[None])]
            writer.write_table(pa.table(columns, schema=schema))


def read_rdms(path: Path | str) -> RDMs:
    """Read RDMs written by `write_rdms`.

    Raises
    ------
    ValueError
        If the file is not an RDM table or its stimuli and its values do not belong together.
    """
    table, metadata = _read_table(Path(path), "rdm")
    stimuli = tuple(metadata["stimuli"])
    lists = table["dissimilarity"].combine_chunks()
    values = lists.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, lists.type.list_size)
    if rdm.stimulus_count(values.shape[1]) != len(stimuli):
        raise ValueError(f"{path} names {len(stimuli)} stimuli but holds {values.shape[1]} pairs: write it again")
    return RDMs(table["time_ms"].to_numpy(), values, stimuli, metadata)


def write_embedding(embedding: Embedding, path: Path | str, **metadata: Any) -> None:
    """Write an embedding: a row is a stimulus at a time, its dimensions one fixed-size list."""
    times, stimuli, _ = embedding.values.shape
    table = pa.table(
        {
            "time_ms": pa.array(np.repeat(embedding.times_ms, stimuli)),
            "stimulus": pa.array(list(embedding.stimuli) * times),
            "value": _fixed_lists(embedding.values.astype(np.float32)),
        }
    )
    described = {**embedding.metadata, **metadata, "kind": "embedding", "stimuli": list(embedding.stimuli)}
    _write_table(table, Path(path), described)


def read_embedding(path: Path | str) -> Embedding:
    """Read an embedding written by `write_embedding`.

    Raises
    ------
    ValueError
        If the file is not an embedding table.
    """
    table, metadata = _read_table(Path(path), "embedding")
    stimuli = tuple(metadata["stimuli"])
    lists = table["value"].combine_chunks()
    values = lists.flatten().to_numpy(zero_copy_only=False)
    values = values.reshape(-1, len(stimuli), lists.type.list_size)
    return Embedding(table["time_ms"].to_numpy()[:: len(stimuli)], values, stimuli, metadata)
