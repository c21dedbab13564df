"""The latent factors from which the demo study is made: what is drawn, said, judged and seen by the brain."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Kind = Literal["low-level", "colour", "shape", "texture", "material"]

LATENCY_MS: dict[Kind, float] = {
    # First decodable response of early visual cortex, M100 (Cichy, Pantazis & Oliva 2014: 101 ms).
    "low-level": 110.0,
    # Hue is decodable from MEG a little after luminance contrast (Hermann et al. 2022).
    "colour": 140.0,
    # Shape arises in lateral occipital cortex, around the N1/M170.
    "shape": 170.0,
    # Texture statistics need V2/V4 and their feedback: a little after shape.
    "texture": 190.0,
    # What a thing is made of is inferred, not seen: the second, semantic peak of THINGS-MEG (305-370 ms).
    "material": 330.0,
}


@dataclass(frozen=True)
class Factor:
    """One way in which the pictures of the demo study differ.

    Attributes
    ----------
    name : str
        Short unique name: the column of the factor table.
    kind : str
        Family of the factor: ``low-level``, ``colour``, ``shape``, ``texture`` or ``material``.
    prompt : str or None
        Verbatim label of the SPoSE dimension that names the factor (Hebart et al. 2020; CLIP-HBA,
        arXiv 2502.04658); None for low-level factors, which nobody names.
    """

    name: str
    kind: Kind
    prompt: str | None = None

    @property
    def latency_ms(self) -> float:
        """Time after stimulus onset at which the brain's response to the factor peaks, in ms."""
        return LATENCY_MS[self.kind]


FACTORS: tuple[Factor, ...] = (
    Factor("red", "colour", "red"),
    Factor("orange", "colour", "orange"),
    Factor("yellow", "colour", "yellow"),
    Factor("green", "colour", "green"),
    Factor("black", "colour", "black"),
    Factor("white", "colour", "white"),
    Factor("round", "shape", "circular; round"),
    Factor("long", "shape", "long; thin"),
    Factor("pointed", "shape", "pointed; spiky"),
    Factor("box", "shape", "box-related; container"),
    Factor("curved", "shape", "string-related; stringy; curved"),
    Factor("grid", "texture", "grid-related; grating-related"),
    Factor("fine pattern", "texture", "fine-grained; pattern"),
    Factor("coarse pattern", "texture", "coarse-scale pattern; many things"),
    Factor("metallic", "material", "metallic; artificial"),
    Factor("transparent", "material", "transparent; shiny; crystalline"),
    Factor("fluffy", "material", "fluffy; soft"),
    Factor("wooden", "material", "wood-related; brown"),
    Factor("size", "low-level"),
    Factor("horizontal position", "low-level"),
    Factor("vertical position", "low-level"),
    Factor("background luminance", "low-level"),
    Factor("background contrast", "low-level"),
    Factor("orientation", "low-level"),
)

NAMEABLE: tuple[str, ...] = tuple(factor.name for factor in FACTORS if factor.prompt is not None)

PROMPTS: dict[str, str] = {factor.name: factor.prompt for factor in FACTORS if factor.prompt is not None}


def names_of(kind: Kind) -> tuple[str, ...]:
    """Names of the factors of one kind.

    Parameters
    ----------
    kind : str
        ``low-level``, ``colour``, ``shape``, ``texture`` or ``material``.

    Returns
    -------
    tuple of str
        Names in the order of ``FACTORS``.
    """
    return tuple(factor.name for factor in FACTORS if factor.kind == kind)


def draw_factors(*, count: int, seed: int) -> pd.DataFrame:
    """Draw the latent factors of pictures.

    Nameable factors are sparse and positive like the dimensions of SPoSE (Hebart et al. 2020): one
    dominant colour and one dominant shape, each perhaps blended with a second, up to two textures, at
    most one material. Low-level factors are uniform and independent of all others.

    Parameters
    ----------
    count : int
        Number of pictures.
    seed : int
        Seed of the generator.

    Returns
    -------
    pandas.DataFrame
        ``count`` rows and one column for each of ``FACTORS``; values in [0, 1].

    Raises
    ------
    ValueError
        If ``count`` is below one.
    """
    if count < 1:
        raise ValueError(f"count: {count} pictures cannot be drawn; ask for at least 1")
    generator = np.random.default_rng(seed)
    columns: dict[Kind, np.ndarray] = {
        "colour": _blend(len(names_of("colour")), count=count, generator=generator),
        "shape": _blend(len(names_of("shape")), count=count, generator=generator),
        "texture": _some(len(names_of("texture")), count=count, shares=(0.4, 0.4, 0.2), generator=generator),
        "material": _some(len(names_of("material")), count=count, shares=(0.4, 0.6), generator=generator),
        "low-level": generator.uniform(size=(count, len(names_of("low-level")))),
    }
    table = pd.concat(
        [pd.DataFrame(values, columns=list(names_of(kind))) for kind, values in columns.items()], axis=1
    )
    return table[[factor.name for factor in FACTORS]]


def _blend(width: int, *, count: int, generator: np.random.Generator) -> np.ndarray:
    """Give each picture one dominant factor and, to one in four, a weaker second one."""
    rank = generator.permuted(np.tile(np.arange(width), (count, 1)), axis=1)
    second = generator.uniform(0.2, 0.45, size=(count, 1)) * (generator.uniform(size=(count, 1)) < 0.25)
    dominant = generator.uniform(0.7, 1.0, size=(count, 1)) - 0.4 * second
    return np.asarray(np.where(rank == 0, dominant, 0.0) + np.where(rank == 1, second, 0.0))


def _some(width: int, *, count: int, shares: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """Give each picture 0, 1, ... of the factors, each number with its share, at strengths of 0.5 to 1."""
    rank = generator.permuted(np.tile(np.arange(width), (count, 1)), axis=1)
    number = generator.choice(len(shares), p=shares, size=(count, 1))
    return np.asarray(np.where(rank < number, generator.uniform(0.5, 1.0, size=(count, width)), 0.0))
