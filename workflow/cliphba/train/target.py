"""From measured RDMs to what the MEG models are trained towards and start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba.config import BlockWeights, Times
from cliphba.meg.curves import temporal_curves
from cliphba.models.checkpoint import DynamicState
from cliphba.models.heads import DynamicHead, TemporalCurves, starting_values
from cliphba.tables import RDMs


def choose_times(rdms: RDMs, times: Times) -> RDMs:
    """Restrict RDMs to the times that a model has."""
    if times == "all":
        return rdms
    after = rdms.times_ms > 0
    return replace(rdms, times_ms=rdms.times_ms[after], values=rdms.values[after])


def mean_rdms(measured: Sequence[RDMs]) -> RDMs:
    """Mean over participants of their RDMs.

    Raises
    ------
    ValueError
        If the participants' times or stimuli differ.
    """
    first = measured[0]
    for other in measured[1:]:
        if other.stimuli != first.stimuli or not np.array_equal(other.times_ms, first.times_ms):
            raise ValueError("the participants' RDMs have different stimuli or times: decode them again, all alike")
    mean = np.stack([rdms.values for rdms in measured]).mean(axis=0, dtype=np.float64)
    return RDMs(first.times_ms, np.asarray(mean, dtype=np.float32), first.stimuli)


def target_rdms(measured: Sequence[RDMs], stimuli: Sequence[str], times: Times) -> Tensor:
    """Mean RDMs (times, pairs) of some participants and stimuli, at the times that a model has."""
    return torch.from_numpy(choose_times(mean_rdms([rdms.of(stimuli) for rdms in measured]), times).values)


def measure_curves(measured: Sequence[RDMs], times: Times) -> TemporalCurves:
    """Temporal curves of participants' RDMs, at the times that a model has."""
    curves = temporal_curves([rdms.values for rdms in measured], measured[0].times_ms)
    if times == "after_onset":
        curves = curves[curves["time_ms"] > 0]
    columns = ("time_ms", "richness", "generalisation", "noise")
    return TemporalCurves(*(torch.tensor(curves[column].to_numpy(), dtype=torch.float32) for column in columns))


def initial_head(
    curves: TemporalCurves,
    *,
    start: DynamicState | None,
    initial: pd.DataFrame,
    window_ms: float,
    block_weights: BlockWeights,
) -> DynamicHead:
    """Make the head that training starts from.

    Parameters
    ----------
    curves
        Of the participants that are trained on.
    start
        Of the model that is started from, if it is dynamic: its reweighting is taken over.
    initial
        Initial weights of the blocks, a table of kind ``reweighting``; taken if there is no such model.
    window_ms
        Curves and reweighting are averaged over this time either way.
    block_weights
        How weights are made from the reweighting.

    Raises
    ------
    ValueError
        If the reweighting and the curves are at different times.
    """
    if start is not None:
        times, reweighting = start.curves.times_ms, start.reweighting
    else:
        weights = initial.pivot(index="time_ms", columns="block", values="weight")
        times = torch.tensor(weights.index.to_numpy(), dtype=torch.float32)
        reweighting = starting_values(torch.tensor(weights.to_numpy(), dtype=torch.float32), block_weights)
    if not torch.equal(times, curves.times_ms):
        raise ValueError("the reweighting to start from is at other times than the RDMs: make it anew for this grid")
    return DynamicHead(curves, reweighting, window_ms, block_weights)


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
