"""The people of the demo study: how strongly and how late each brain answers to each latent factor."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cliphba.simulate.factors import FACTORS


def draw_participants(
    *, participants: Sequence[str], gain_sd: float, latency_sd_ms: float, own_anatomy: bool, seed: int
) -> pd.DataFrame:
    """Draw the known truth about each participant.

    Parameters
    ----------
    participants : sequence of str
        Names of the participants.
    gain_sd : float
        Standard deviation of the natural logarithm of the gain of a factor between people; 0 switches these
        differences off, 0.4 to 0.6 lets people be told apart by a study of this size.
    latency_sd_ms : float
        Standard deviation, in ms, of the latency of a factor between people; 0 switches these differences off.
    own_anatomy : bool
        Whether the sources of everybody's responses point in directions of their own.
    seed : int
        Seed of the generator.

    Returns
    -------
    pandas.DataFrame
        One row for each participant and factor: ``participant``, ``factor``, ``gain`` (1 on geometric average),
        ``latency_ms`` and ``anatomy`` (people with the same number share all sources; 0 is everybody's).

    Raises
    ------
    ValueError
        If a standard deviation is negative or the participants are not distinct.
    """
    if min(gain_sd, latency_sd_ms) < 0:
        raise ValueError(f"gain_sd and latency_sd_ms must not be negative; they are {gain_sd} and {latency_sd_ms}.")
    if len(set(participants)) != len(participants):
        raise ValueError(f"participants must be distinct; they are {', '.join(participants)}.")
    generator = np.random.default_rng(seed)
    shape = len(participants), len(FACTORS)
    log_gain = gain_sd * generator.standard_normal(shape)
    shift_ms = latency_sd_ms * generator.standard_normal(shape)
    latency_ms = np.array([factor.latency_ms for factor in FACTORS]) + shift_ms
    index = pd.MultiIndex.from_product(
        [participants, [factor.name for factor in FACTORS]], names=["participant", "factor"]
    )
    # drawn, so that people of different seeds do not share them
    anatomy = np.repeat(generator.integers(1, 2**31, size=shape[0]) * own_anatomy, shape[1])
    columns = {"gain": np.exp(log_gain).ravel(), "latency_ms": latency_ms.ravel(), "anatomy": anatomy}
    return pd.DataFrame(columns, index=index).reset_index()
