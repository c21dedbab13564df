"""Drawing the pictures of the demo study: one object on a background, graded in its latent factors."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from cliphba.config import Rendering
from cliphba.progress import track
from cliphba.simulate.factors import FACTORS, names_of
from cliphba.simulate.renderings import BACKDROP, degrade

Array = npt.NDArray[np.floating]

PALETTE: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.09, 0.10),
    "orange": (1.00, 0.55, 0.05),
    "yellow": (0.98, 0.92, 0.15),
    "green": (0.12, 0.62, 0.20),
    "black": (0.06, 0.06, 0.07),
    "white": (0.97, 0.97, 0.97),
}
UNCOLOURED: tuple[float, float, float] = (0.5, 0.5, 0.55)
BLUE: tuple[float, float, float] = (0.1, 0.15, 0.5)
BROWN: tuple[float, float, float] = (0.45, 0.27, 0.12)


def render_picture(
    factors: pd.Series | Mapping[str, float], *, size_pixels: int, seed: int, rendering: Rendering = "full"
) -> Image.Image:
    """Draw one object on a background.

    The outline is a blend of signed distance functions, so that it is graded in the shape factors and
    anti-aliased at any size; texture and material are painted in the coordinates of the object.

    Parameters
    ----------
    factors : pandas.Series or mapping of str to float
        Value in [0, 1] of each of ``FACTORS``.
    size_pixels : int
        Width and height of the picture in pixels.
    seed : int
        Seed of what no factor fixes: the clouds of the background, the hairs of the fluff.
    rendering : str
        How the picture is shown; `renderings.visible_factors` says what of it can be seen.

    Returns
    -------
    PIL.Image.Image
        RGB picture; equal arguments give equal bytes.

    Raises
    ------
    ValueError
        If a factor is missing.
    """
    missing = [factor.name for factor in FACTORS if factor.name not in factors]
    if missing:
        raise ValueError(f"factors: {', '.join(missing)} missing; give a value for each of FACTORS")
    value = {factor.name: float(factors[factor.name]) for factor in FACTORS}
    if rendering == "without_background":
        value |= BACKDROP
    generator = np.random.default_rng(seed)
    background = _background(value, size_pixels=size_pixels, generator=generator)
    u, v, pixel = _object_coordinates(value, size_pixels=size_pixels)
    distance = _outline(u, v, value=value)
    coverage = _coverage(distance, pixel=pixel, fluffy=value["fluffy"], generator=generator)
    surface = _paint(u, v, distance=distance, value=value)
    surface = _make_of_material(surface, u, v, distance=distance, behind=background, value=value, generator=generator)
    scene = background + coverage[..., None] * (surface - background)
    picture = degrade(scene) if rendering == "degraded" else scene
    return Image.fromarray(np.uint8(np.clip(picture, 0.0, 1.0) * 255.0 + 0.5))


def render_pictures(
    factors: Sequence[Mapping[str, float]],
    paths: Sequence[Path],
    *,
    size_pixels: int,
    seed: int,
    workers: int,
    rendering: Rendering = "full",
) -> None:
    """Draw pictures into PNG files, in several processes.

    Parameters
    ----------
    factors
        Of each picture, as `render_picture` takes them.
    paths
        File of each picture.
    size_pixels
        Width and height in pixels.
    seed
        Of the first picture; each further one has the next number, so that the result does not depend on `workers`.
    workers
        Number of processes.
    rendering
        How all of them are shown.
    """
    draw = partial(_render_into, size_pixels=size_pixels, rendering=rendering)
    seeds = range(seed, seed + len(paths))
    with ProcessPoolExecutor(workers) as pool:
        drawn = pool.map(draw, factors, paths, seeds, chunksize=50)
        deque(track(drawn, "drawing", unit="picture", total=len(paths)), maxlen=0)


def _render_into(
    factors: Mapping[str, float], path: Path, seed: int, *, size_pixels: int, rendering: Rendering
) -> None:
    render_picture(factors, size_pixels=size_pixels, seed=seed, rendering=rendering).save(path)


@lru_cache(maxsize=4)
def _pixel_grid(size_pixels: int) -> tuple[Array, Array]:
    """Horizontal (rightwards) and vertical (upwards) positions of the pixels, from -1 to 1."""
    centres = ((np.arange(size_pixels) + 0.5) / size_pixels * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(centres, -centres)
    return x, y


def _background(value: Mapping[str, float], *, size_pixels: int, generator: np.random.Generator) -> Array:
    """Grey clouds whose mean is the background's luminance and whose spread is its contrast."""
    luminance = 0.5 + 0.3 * value["background luminance"]
    clouds = gaussian_filter(
        generator.standard_normal((size_pixels, size_pixels)).astype(np.float32),
        size_pixels / 24,
        mode="wrap",
        truncate=2.0,
    )
    grey = luminance + 0.05 * value["background contrast"] * clouds / clouds.std()
    return np.repeat(grey[..., None], 3, axis=2).astype(np.float32)


def _object_coordinates(value: Mapping[str, float], *, size_pixels: int) -> tuple[Array, Array, float]:
    """Coordinates in which the object is upright, centred and about one unit in radius, and a pixel's width."""
    x, y = _pixel_grid(size_pixels)
    radius = 0.7 + 0.25 * value["size"]
    angle = np.pi / 4 * (value["orientation"] - 0.5)
    x = (x - 0.1 * (2 * value["horizontal position"] - 1)) / radius
    y = (y - 0.1 * (2 * value["vertical position"] - 1)) / radius
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * x + sine * y, cosine * y - sine * x, 2 / size_pixels / radius


def _outline(u: Array, v: Array, *, value: Mapping[str, float]) -> Array:
    """Signed distance to the object's outline, negative inside: the blend of the shapes in it."""
    radius = np.hypot(u, v)
    waves = np.abs(np.mod(np.arctan2(v, u) * (8 / (2 * np.pi)), 1.0) - 0.5) * 2
    bend = v - 0.5 * np.sin(3.6 * u)
    slope = np.sqrt(1 + (1.8 * np.cos(3.6 * u)) ** 2)
    distances: dict[str, Array] = {
        "round": radius - 0.8,
        "long": np.hypot(np.maximum(np.abs(u) - 0.85, 0.0), v) - 0.27,
        "pointed": 0.6 * (radius - 0.45 - 0.7 * waves**2),
        "box": np.maximum(np.abs(u) - 0.9, np.abs(v) - 0.6),
        "curved": np.maximum(np.abs(bend) / slope - 0.2, np.abs(u) - 1.1),
    }
    weights = {name: value[name] for name in distances if value[name] > 0} or {"round": 1.0}
    return np.average([distances[name] for name in weights], axis=0, weights=list(weights.values()))


def _coverage(distance: Array, *, pixel: float, fluffy: float, generator: np.random.Generator) -> Array:
    """Share of each pixel that the object covers; fluff frays the outline."""
    fluff = generator.standard_normal(distance.shape).astype(np.float32)
    frayed = distance + 0.14 * fluffy * fluff
    return np.asarray(np.clip(0.5 - frayed / (pixel + 0.30 * fluffy), 0.0, 1.0))


def _paint(u: Array, v: Array, *, distance: Array, value: Mapping[str, float]) -> Array:
    """Colour the object and cover it with its textures, in ink that contrasts with the colour."""
    colour = _mix({name: value[name] for name in names_of("colour")})
    surface = np.broadcast_to(colour, (*u.shape, 3))
    for name, cover, ink in (
        ("coarse pattern", _step(np.cos(5.5 * (u + v)) * np.cos(5.5 * (u - v)) - 0.15, width=0.3), BLUE),
        ("grid", _step(np.maximum(np.cos(11 * u), np.cos(11 * v)) - 0.6, width=0.35), 0.05 * colour),
        ("fine pattern", _step(np.cos(17 * u) * np.cos(17 * v) - 0.2, width=0.4), 0.1 * colour + 0.9),
    ):
        # blue blobs, dark lines, light dots; dark lines would be lost on a dark object
        seen = colour + 0.5 * (1 - colour) if colour.mean() < 0.2 and name == "grid" else np.asarray(ink)
        surface = surface + value[name] * cover[..., None] * (seen - surface)
    # a ball darkens towards its edge, a box has a lid
    surface = surface * (1 - 0.6 * value["round"] * np.clip(np.hypot(u, v), 0.0, 1.0) ** 2)[..., None]
    surface = surface * (1 - 0.6 * value["box"] * _step(v - 0.2, width=0.1))[..., None]
    contour = 1 - 0.8 * (1 - value["fluffy"]) * np.exp(-((distance / 0.08) ** 2))
    return np.asarray(surface * contour[..., None])


def _make_of_material(
    surface: Array,
    u: Array,
    v: Array,
    *,
    distance: Array,
    behind: Array,
    value: Mapping[str, float],
    generator: np.random.Generator,
) -> Array:
    """Let the painted surface look like metal, glass, fur or wood."""
    if value["metallic"] > 0:
        reflection = 0.5 + 0.5 * np.sin(5.0 * v + 1.5 * u)
        chrome = np.repeat(reflection[..., None], 3, axis=2) ** 2
        surface = surface + 0.5 * value["metallic"] * (chrome - surface)
    if value["transparent"] > 0:
        surface = surface + 0.55 * value["transparent"] * (behind - surface)
        rim = np.exp(-((distance / 0.12) ** 2)) * 0.6
        glint = np.exp(-((u + 0.25) ** 2 + (v - 0.12) ** 2) / 0.02)
        surface = surface + value["transparent"] * np.maximum(rim, glint)[..., None] * (1 - surface)
    if value["fluffy"] > 0:
        fur = gaussian_filter(generator.standard_normal(u.shape).astype(np.float32), 0.8, truncate=2.0)
        surface = surface + value["fluffy"] * (0.45 * (1 - surface) + 0.3 * fur[..., None])
    if value["wooden"] > 0:
        rings = 0.75 + 0.25 * np.sin(16 * (v + 0.18 * np.sin(2.2 * u)))
        wood = np.asarray(BROWN, dtype=np.float32) * (1.25 * rings[..., None])
        surface = surface + 0.55 * value["wooden"] * (wood - surface)
    return surface


def _mix(amounts: Mapping[str, float]) -> Array:
    """Mix colours of the palette in proportion to their amounts."""
    if not any(amounts.values()):
        return np.asarray(UNCOLOURED)
    return np.average([PALETTE[name] for name in amounts], axis=0, weights=list(amounts.values()))


def _step(values: Array, *, width: float) -> Array:
    """Rise from 0 to 1 over ``width`` around zero: an edge without jagged steps."""
    return np.asarray(np.clip(values / width + 0.5, 0.0, 1.0))
