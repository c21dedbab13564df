"""From measured RDMs to what the MEG models are trained towards and start from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba.meg.curves import temporal_curves
from cliphba.models.checkpoint import DynamicState
from cliphba.models.heads import DynamicHead, TemporalCurves
from cliphba.tables import RDMs

# Least initial weight of a block, so that the logarithm of a weight of zero is a number that training can leave.
LEAST_WEIGHT = 1e-3


def mean_after_onset(measured: Sequence[RDMs]) -> RDMs:
    """Mean over participants of their RDMs at the times after picture onset.

    Raises
    ------
    ValueError
        If the participants' times or stimuli differ.
    """
    first = measured[0]
    for other in measured[1:]:
        if other.stimuli != first.stimuli or not np.array_equal(other.times_ms, first.times_ms):
            raise ValueError("the participants' RDMs have different stimuli or times: decode them again, all alike")
    after = first.times_ms > 0
    mean = np.stack([rdms.values[after] for rdms in measured]).mean(axis=0, dtype=np.float64)
    return RDMs(first.times_ms[after], np.asarray(mean, dtype=np.float32), first.stimuli)


def measure_curves(measured: Sequence[RDMs]) -> TemporalCurves:
    """Temporal curves of participants' RDMs of training images, at the times after onset."""
    stacked = np.stack([rdms.values for rdms in measured])
    curves = temporal_curves(stacked, measured[0].times_ms)
    after = curves[curves["time_ms"] > 0]
    columns = ("time_ms", "richness", "generalisation", "noise")
    times, *rest = (torch.tensor(after[column].to_numpy(), dtype=torch.float32) for column in columns)
    return TemporalCurves(times, *rest)


def initial_head(
    measured: Sequence[RDMs], *, start: DynamicState | None, initial: pd.DataFrame, window_ms: float
) -> DynamicHead:
    """Make the head that training starts from.

    Parameters
    ----------
    measured
        RDMs of training images of the participants that are trained on; they give the temporal curves.
    start
        Of the model that is started from, if it is dynamic: its reweighting is taken over.
    initial
        Pre-optimised weights, a table of kind ``reweighting``; taken if there is no such model.
    window_ms
        Curves and reweighting are averaged over this time either way.

    Raises
    ------
    ValueError
        If the reweighting and the RDMs are at different times.
    """
    curves = measure_curves(measured)
    if start is not None:
        times, logits = start.curves.times_ms, start.reweighting
    else:
        weights = initial.pivot(index="time_ms", columns="block", values="weight")
        times = torch.tensor(weights.index.to_numpy(), dtype=torch.float32)
        logits = torch.tensor(weights.to_numpy(), dtype=torch.float32).clamp(min=LEAST_WEIGHT).log()
    if not torch.equal(times, curves.times_ms):
        raise ValueError("the reweighting to start from is at other times than the RDMs: make it anew for this grid")
    return DynamicHead(curves, logits, window_ms)


def reweighting_table(
    model: str, times_ms: NDArray[np.float64] | Tensor, weights: NDArray[np.float32]
) -> pd.DataFrame:
    """Tabulate weights (times, blocks) as a table of kind ``reweighting``; blocks count from 1 at the input."""
    times, blocks = weights.shape
    return pd.DataFrame(
        {
            "model": model,
            "time_ms": np.repeat(np.asarray(times_ms, dtype=np.float64), blocks),
            "block": np.tile(np.arange(1, blocks + 1), times),
            "weight": weights.ravel().astype(np.float64),
        }
    )
