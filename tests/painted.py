"""Pictures with a planted part: an uncoloured object of which one half is painted in a colour.

The truth is known from renderings that differ in the colour alone: the pixels that differ carry it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cliphba.evaluate.saliency import Masks, map_saliency
from cliphba.models.perception import PerceptionModel
from cliphba.simulate.factors import draw_factors, names_of
from cliphba.simulate.pictures import render_picture

COLOURS = names_of("colour")


@dataclass(frozen=True)
class Painted:
    """A picture with and without paint, and where the paint is.

    Attributes
    ----------
    colour
        Factor that is painted.
    picture, unpainted
        The object with one half painted, and as it was.
    painted, rest, background
        (side, side) share of each block of the maps that is painted, of the object but not painted, or neither.
    """

    colour: str
    picture: Image.Image
    unpainted: Image.Image
    painted: NDArray[np.float64]
    rest: NDArray[np.float64]

    @property
    def background(self) -> NDArray[np.float64]:
        return 1 - self.painted - self.rest


def paint(count: int, *, side: int, factor: int, seed: int) -> list[Painted]:
    """Render pictures, `factor` times as large as maps of `side`; objects differ in all but what covers them."""
    generator = np.random.default_rng(seed)
    covers = [*COLOURS, *names_of("texture"), *names_of("material")]
    drawn = draw_factors(count=count, seed=seed).assign(**dict.fromkeys(covers, 0.0)).to_dict("records")
    x, y = np.meshgrid(*2 * [np.arange(side * factor) - (side * factor - 1) / 2])
    found = []
    for index, factors in enumerate(drawn):
        colour = COLOURS[index % len(COLOURS)]
        unpainted, painted = (
            np.asarray(render_picture({**factors, colour: amount}, size_pixels=side * factor, seed=seed + index))
            for amount in (0.0, 0.9)
        )
        angle = generator.uniform(0, 2 * np.pi)
        half = np.cos(angle) * x + np.sin(angle) * y > 0
        # more than what anti-aliasing leaves of a far edge
        carries = np.abs(painted.astype(int) - unpainted).max(axis=-1) > 12
        shares = [
            part.reshape(side, factor, side, factor).mean(axis=(1, 3)) for part in (carries & half, carries & ~half)
        ]
        picture = Image.fromarray(np.where(half[..., None], painted, unpainted))
        found.append(Painted(colour, picture, Image.fromarray(unpainted), *shares))
    return found


def find_paint(model: PerceptionModel, pictures: Sequence[Painted], masks: Masks, *, sample: int = 0) -> pd.DataFrame:
    """Tell how much more salient paint is than what is around it, in standard deviations of each map.

    Rows are pictures, painted and not, by what drives the embedding: ``own`` is the dimension of the colour,
    ``other`` that of another colour, ``all`` the embedding as it is. A single dimension beside a constant makes a
    direction of two, which turns as the dimension changes and by nothing else.
    """
    rows = []
    for one in pictures:
        other = COLOURS[COLOURS.index(one.colour) - 3]
        dimensions = [model.dimensions.index(name) for name in (one.colour, other)]
        for state, shown in [("painted", one.picture), ("unpainted", one.unpainted)]:
            image = model.backbone.transform(shown).numpy()
            whole = np.abs(model.respond(image[None])[sample, 0, dimensions])

            def embed(images, dimensions=dimensions, whole=whole):
                values = model.respond(images)[sample]
                driven = np.zeros((3, *values.shape))
                driven[:2, :, 0], driven[:2, :, 1], driven[2] = values[:, dimensions].T, whole[:, None], values
                return driven

            for driver, saliency in zip(("own", "other", "all"), map_saliency(embed, image, masks), strict=True):
                paint, rest, background = (
                    np.average(saliency, weights=part) for part in (one.painted, one.rest, one.background)
                )
                over = {"rest": (paint - rest) / saliency.std(), "background": (paint - background) / saliency.std()}
                rows.append({"colour": one.colour, "state": state, "driver": driver, **over})
    return pd.DataFrame(rows)
