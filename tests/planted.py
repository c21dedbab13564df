"""Small studies whose truth is known: people and models weigh the dimensions of pictures, recordings are noisy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cliphba import rdm, tables
from cliphba.evaluate.findings import Procedure

TIMES = np.arange(-40.0, 121.0, 20.0)
RESPONSE = TIMES[TIMES > 0]
STATIC = np.array([np.nan])
STIMULI = tuple(f"image-{index:02d}" for index in range(14))
DIMENSIONS = tuple(f"dimension-{index}" for index in range(6))
PROCEDURE = Procedure("spearman", resamples=60, permutations=120, seed=1)


def names(people):
    """Participants, in no alphabetical order."""
    return tuple(f"sub-{index:02d}" for index in range(people, 0, -1))


def pictures(random):
    """(stimuli, dimensions)."""
    return random.normal(size=(len(STIMULI), len(DIMENSIONS)))


def static(values):
    """RDMs without a time course from (pairs,)."""
    return tables.RDMs(STATIC, values[None].astype(np.float32), STIMULI)


def recording(random, geometry, *, noise, shape=None):
    """RDMs over time: noise, and after onset a geometry (pairs,), as strong at each time as `shape` (times,)."""
    strength = np.where(TIMES > 0, 1.0, 0.0) if shape is None else shape
    values = strength[:, None] * geometry + noise * random.normal(size=(len(TIMES), len(geometry)))
    return tables.RDMs(TIMES, values.astype(np.float32), STIMULI)


def embedding(values):
    """Embedding of a model over time from (stimuli, dimensions) or (times after onset, stimuli, dimensions)."""
    values = np.broadcast_to(values, (len(RESPONSE), *values.shape[-2:])).astype(np.float32)
    return tables.Embedding(RESPONSE, values, STIMULI, {"dimensions": list(DIMENSIONS)})


def series(values):
    """RDMs of such a model at the times of recordings: undefined up to onset."""
    return embedding(values).rdms(STIMULI).at(TIMES)


def geometry(positions):
    """(pairs,) of (stimuli, dimensions)."""
    return rdm.correlation_distance(positions)


def reweighting(weights, participants):
    """Table of kind ``reweighting`` from (participants, times, blocks)."""
    person, time, block = (axis.ravel() for axis in np.indices(weights.shape))
    columns = {"model": np.array(participants)[person], "time_ms": RESPONSE[time], "block": block + 1}
    return pd.DataFrame({**columns, "weight": weights.ravel()})


def accepted(frames, folder):
    """Write tables and read them again."""
    for kind, frame in frames.items():
        tables.write(frame, folder / f"{kind}.parquet", kind)
    return {kind: tables.read(folder / f"{kind}.parquet", kind) for kind in frames}


def independence(frame):
    """Give the three truths of each row as a list of tuples."""
    columns = ["independent_images", "independent_data", "independent_people"]
    return [tuple(bool(one) for one in row) for row in frame[columns].to_numpy()]
