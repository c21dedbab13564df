"""How the simulated people judge similarity: the dimensions they see, and the odd ones they leave out."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from cliphba.simulate.factors import NAMEABLE

# The largest value of the published SPoSE embedding of THINGS is about 2.7 (Hebart et al. 2020).
LARGEST_DIMENSION = 2.5


def perceived_embedding(factors: pd.DataFrame) -> pd.DataFrame:
    """Dimensions in which the simulated people see the pictures: the truth behind their judgements.

    Parameters
    ----------
    factors : pandas.DataFrame
        Pictures x factors, values in [0, 1]; low-level factors are ignored, nobody judges by them.

    Returns
    -------
    pandas.DataFrame
        Pictures x ``NAMEABLE`` dimensions on the scale of SPoSE, 0 to 2.5.

    Raises
    ------
    ValueError
        If a nameable factor is missing.
    """
    missing = [name for name in NAMEABLE if name not in factors]
    if missing:
        raise ValueError(f"factors: columns {', '.join(missing)} missing; give one for each of NAMEABLE")
    return LARGEST_DIMENSION * factors[list(NAMEABLE)]


def measured_embedding(factors: pd.DataFrame, *, noise: float, seed: int) -> pd.DataFrame:
    """Dimensions as a study would publish them: estimated from judgements, hence noisy.

    Parameters
    ----------
    factors : pandas.DataFrame
        Pictures x factors, values in [0, 1].
    noise : float
        Standard deviation of the error of estimation, on the scale of the dimensions.
    seed : int
        Seed of the error.

    Returns
    -------
    pandas.DataFrame
        Pictures x ``NAMEABLE`` dimensions, none negative.

    Raises
    ------
    ValueError
        If a nameable factor is missing or ``noise`` is negative.
    """
    if noise < 0:
        raise ValueError(f"noise: a standard deviation cannot be {noise}; give 0 or more")
    truth = perceived_embedding(factors)
    error = np.random.default_rng(seed).normal(scale=noise, size=truth.shape)
    return (truth + error).clip(lower=0.0)


def judge_triplets(
    embedding: pd.DataFrame, *, repetitions: int, temperature: float, judges: int, seed: int
) -> pd.DataFrame:
    """Let people pick the odd one out of every triplet of pictures.

    The pair i, j of a triplet i, j, k is kept together with the probability exp(s_ij) / (exp(s_ij) +
    exp(s_ik) + exp(s_jk)), s being the dot product of the embeddings divided by the temperature: the
    choice model of SPoSE (Zheng et al. 2019; Hebart et al. 2020).

    Parameters
    ----------
    embedding : pandas.DataFrame
        Pictures x dimensions that the judges see.
    repetitions : int
        Number of times every triplet is judged.
    temperature : float
        Randomness of the choices; 1 is SPoSE's own, towards 0 the most similar pair always wins.
    judges : int
        Number of people among whom the judgements are shared out at random.
    seed : int
        Seed of the choices and of who makes them.

    Returns
    -------
    pandas.DataFrame
        A row for each judgement; integer columns ``first`` and ``second`` (the pair kept together) and
        ``odd``, which are rows of ``embedding``, and ``participant``, 0 to ``judges`` - 1.

    Raises
    ------
    ValueError
        If there are fewer than three pictures, or a number is not positive.
    """
    if len(embedding) < 3:
        raise ValueError(f"embedding: {len(embedding)} pictures make no triplet; give at least 3")
    for name, number in (("repetitions", repetitions), ("temperature", temperature), ("judges", judges)):
        if number <= 0:
            raise ValueError(f"{name}: must be above 0, not {number}")
    generator = np.random.default_rng(seed)
    triplets = np.tile(np.array(list(combinations(range(len(embedding)), 3))), (repetitions, 1))
    odd = _odd_one_out(triplets, embedding.to_numpy(), temperature=temperature, generator=generator)
    # Rolled so that the odd one comes last, the pair kept together before it.
    ordered = np.take_along_axis(triplets, (odd[:, None] + np.array([1, 2, 3])) % 3, axis=1)
    judged = pd.DataFrame(ordered, columns=["first", "second", "odd"])
    return judged.assign(participant=generator.integers(judges, size=len(judged)))


def _odd_one_out(
    triplets: npt.NDArray[np.int64],
    embedding: npt.NDArray[np.float64],
    *,
    temperature: float,
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Position, 0 to 2, of the odd one in each triplet: a softmax choice, drawn by Gumbel noise."""
    similarity = embedding @ embedding.T / temperature
    first, second, third = triplets.T
    kept = np.stack([similarity[second, third], similarity[first, third], similarity[first, second]], axis=1)
    return np.asarray(np.argmax(kept + generator.gumbel(size=kept.shape), axis=1))
