"""Which parts of a picture a model's embedding hangs on, at each time: occlusion by random masks.

Masks are those of RISE (Petsiuk, Das & Saenko 2018, arXiv 1806.07421); what a mask does is measured by how far the
embedding turns, at each time (CLIP-HBA, arXiv 2502.04658, Methods).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.evaluate.bootstrap import Reals
from cliphba.progress import track

Pixels = NDArray[np.float32]

#: From pictures (pictures, channels, side, side), normalised as the model wants them, to embeddings (times, pictures,
#: dimensions); a model without time course has one time.
Embed = Callable[[Pixels], NDArray[np.floating]]

# Masked pictures that are made and embedded at once.
BATCH = 64
# Blocks along a side of a map at most: masks of a few cells have no finer detail.
FINEST = 56


@dataclass(frozen=True)
class Masks:
    """Random masks, kept as what they are made from: a few numbers each, whatever the size of pictures.

    Attributes
    ----------
    hiding
        (masks, cells, cells), whether a cell is hidden.
    shift
        (masks, 2), from 0 to 1 cell: how far each is moved up and to the left.
    """

    hiding: NDArray[np.bool_]
    shift: Reals

    def __len__(self) -> int:
        """Count the masks."""
        return len(self.hiding)

    def parts(self, size: int) -> Iterator[Masks]:
        """Give at most `size` masks at a time."""
        for start in range(0, len(self), size):
            yield Masks(self.hiding[start : start + size], self.shift[start : start + size])

    def hidden(self, side: int) -> Pixels:
        """How far each mask hides each pixel, from 0 to 1: (masks, side, side).

        The grid is interpolated bilinearly between the middles of its cells. It is one cell larger than the picture,
        so that no shift leaves an edge uncovered.
        """
        rows, columns = (self._interpolation(side, shift) for shift in self.shift.T)
        return np.asarray(rows @ self.hiding.astype(np.float32) @ columns.swapaxes(1, 2))

    def _interpolation(self, side: int, shift: Reals) -> Pixels:
        """Weight of each cell for each pixel along one axis: (masks, side, cells)."""
        cells = self.hiding.shape[-1]
        pixels = (np.arange(side) + 0.5) / side * cells + shift[:, None]
        places = np.clip(pixels * cells / (cells + 1) - 0.5, 0, cells - 1)
        weights: Reals = np.maximum(0, 1 - np.abs(places[..., None] - np.arange(cells)))
        return weights.astype(np.float32)


def draw_masks(count: int, *, cells: int, seed: int) -> Masks:
    """Draw masks that hide each cell of a grid with probability one half.

    Parameters
    ----------
    count
        Number of masks.
    cells
        Cells along each side of the grid.
    seed
        Of grids and shifts.
    """
    generator = np.random.default_rng(seed)
    return Masks(generator.random((count, cells, cells)) < 0.5, generator.random((count, 2)))


def map_saliency(embed: Embed, image: Pixels, masks: Masks, *, batch: int = BATCH) -> Reals:
    """Map how much the embedding of a picture hangs on each part of it, at all times.

    Hidden pixels fade to zero, the mean colour that pictures are normalised by. All masked pictures pass the model
    once; at no time are more than `batch` of them in memory, and never masks x times x pixels.

    Parameters
    ----------
    embed
        The model. What it gives for a picture may not depend on the pictures beside it.
    image
        (channels, side, side), as `embed` takes it.
    masks
        What hides parts of it.
    batch
        Masked pictures at once; the map does not depend on it.

    Returns
    -------
    ndarray
        (times, blocks, blocks), from the top left; see `mean_over_masks`. A block is a pixel, or a square of pixels
        where the picture has more than 56 along a side.

    Raises
    ------
    ValueError
        If some part is hidden by no mask.
    """
    full, side = embed(image[None]), image.shape[-1]
    turned, hidden = [], []
    for part in masks.parts(batch):
        covered = part.hidden(side)
        turned.append(turn(full, embed(image * (1 - covered[:, None]))))
        hidden.append(block_means(covered))
    return mean_over_masks(np.concatenate(turned, axis=1), np.concatenate(hidden))


def turn(full: NDArray[np.floating], masked: NDArray[np.floating]) -> Reals:
    """How far embeddings turn when parts of a picture are hidden: 1 - cosine.

    Parameters
    ----------
    full
        (times, 1, dimensions) of the whole picture.
    masked
        (times, masks, dimensions).

    Returns
    -------
    ndarray
        (times, masks). An embedding of zeros, which models of responses may give, has no direction: its cosine with
        any other is taken to be 0, and two of them are the same, so that nothing has turned.
    """
    (one, full_silent), (other, masked_silent) = _directions(full), _directions(masked)
    # the same as 1 - cosine, but exactly zero where nothing changes
    turned = ((one - other) ** 2).sum(axis=-1) / 2
    return np.where(full_silent != masked_silent, 1.0, turned)


def _directions(embedding: NDArray[np.floating]) -> tuple[Reals, NDArray[np.bool_]]:
    """Scale embeddings to unit length, and tell which of them are zero."""
    length = np.linalg.norm(embedding.astype(np.float64), axis=-1)
    silent = length == 0
    return embedding / np.where(silent, 1, length)[..., None], silent


def block_means(hidden: Pixels) -> Pixels:
    """Average masks (masks, side, side) over equal square blocks of pixels, as many as can be up to 56 a side."""
    side = hidden.shape[-1]
    blocks = max(count for count in range(1, FINEST + 1) if side % count == 0)
    parted = hidden.reshape(-1, blocks, side // blocks, blocks, side // blocks)
    means: Pixels = parted.mean(axis=(2, 4))
    return means


def mean_over_masks(turned: Reals, hidden: Pixels) -> Reals:
    """Saliency: the mean over masks of what they do, weighted by how far each hides a place.

    Parameters
    ----------
    turned
        (times, masks), see `turn`.
    hidden
        (masks, rows, columns), from 0 to 1.

    Returns
    -------
    ndarray
        (times, rows, columns). All places and times are one matrix product.

    Raises
    ------
    ValueError
        If a place is hidden by no mask, so that nothing is known of it.
    """
    total = hidden.sum(axis=0, dtype=np.float64)
    if not total.all():
        raise ValueError(f"masks: none of {len(hidden)} hides some part of the picture; set saliency.masks higher")
    saliency: Reals = np.tensordot(turned, hidden.astype(np.float64), axes=1) / total
    return saliency


def choose(stimuli: Sequence[str], count: int) -> list[str]:
    """Choose some stimuli, evenly from first to last, so that not all begin with the same letter."""
    return [stimuli[index] for index in np.linspace(0, len(stimuli) - 1, count).round().astype(int)]


def describe(model: str, times_ms: Reals, embed: Embed, images: Mapping[str, Pixels], masks: Masks) -> pd.DataFrame:
    """Map the saliency of several pictures to a model.

    Parameters
    ----------
    model
        Its name.
    times_ms
        (times,) of its embeddings; one not-a-number without time course.
    embed
        The model; see `map_saliency`.
    images
        (channels, side, side) of each stimulus.
    masks
        The same for all pictures, so that their maps can be compared.

    Returns
    -------
    DataFrame
        Table of kind ``saliency``: a row a picture and time, its map one list, row by row from the top left.
    """
    parts = []
    for stimulus, image in track(images.items(), f"saliency to {model}", unit="picture", total=len(images)):
        maps = map_saliency(embed, image, masks)
        flat = list(maps.reshape(len(maps), -1).astype(np.float32))
        parts.append(pd.DataFrame({"model": model, "stimulus": stimulus, "time_ms": times_ms, "saliency": flat}))
    return pd.concat(parts, ignore_index=True)
