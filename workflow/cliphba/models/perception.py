"""A finished model: images in, embeddings and RDMs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba.clip.backbone import Backbone
from cliphba.models.heads import DynamicHead, TemporalNoise, behavior_embedding, block_similarity
from cliphba.progress import track
from cliphba.tables import ClassTokens, Embedding, LazyEmbedding, RDMs

# Images that pass the vision tower at once: some two gigabytes of activations with ViT-L/14.
BATCH = 64
# Numbers of an embedding over time that are made at once.
NUMBERS = 2**23


@dataclass(frozen=True)
class PerceptionModel:
    """A model of perception: plain CLIP, Behavior (static), or MEG (dynamic).

    Attributes
    ----------
    backbone
        With all adapters folded in.
    dimensions
        Names of the embedding's dimensions; none for plain CLIP.
    text_features
        (dimensions, shared dimensions) features of the prompts; None for plain CLIP.
    head
        Of a dynamic model.
    evaluation_noise
        Scale and seed of noise on every embedding of a dynamic model of the published protocol.
    metadata
        What is known of the model: participants, grid, scores, provenance.
    """

    backbone: Backbone
    dimensions: tuple[str, ...] = ()
    text_features: Tensor | None = None
    head: DynamicHead | None = None
    evaluation_noise: tuple[float, int] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def times_ms(self) -> NDArray[np.float64]:
        """Times of the embedding in ms after picture onset; one not-a-number for a static model."""
        if self.head is None:
            return np.array([np.nan])
        times: NDArray[np.float64] = self.head.curves.times_ms.cpu().numpy().astype(np.float64)
        return times

    def embed(
        self,
        images: Sequence[Path | str],
        stimuli: Sequence[str] | None = None,
        *,
        times_ms: Sequence[float] | None = None,
    ) -> Embedding:
        """Embed image files.

        Parameters
        ----------
        images
            Files that Pillow can read.
        stimuli
            Their identifiers; file names without ending by default.
        times_ms
            Times to give the embedding at; all of the model's by default.

        Returns
        -------
        Embedding
            (times, images, dimensions); for plain CLIP the image feature. An image's embedding does not depend
            on what other images are embedded with it, but for the noise of the published protocol.

        Raises
        ------
        ValueError
            If there are no images, not one distinct identifier for each, a file is no image, or the model has not
            these times.
        """
        return self.stream(images, stimuli, times_ms=times_ms).load()

    def stream(
        self,
        images: Sequence[Path | str],
        stimuli: Sequence[str] | None = None,
        *,
        times_ms: Sequence[float] | None = None,
    ) -> LazyEmbedding:
        """Embed image files, but lay the embedding out over time only when a time is asked for.

        All images pass the vision tower at once, in batches. What is kept of them is their similarity to every prompt
        in every vision block: 6 kB an image with ViT-L/14, a tenth of their embedding at 281 times. With the noise
        of the published protocol all times are made at once. Parameters and errors are those of `embed`.
        """
        names = stimuli if stimuli is not None else [Path(image).stem for image in images]
        _check_names(names, images)
        chosen = self._choose(times_ms)
        decoded = (self.backbone.read_images(part) for part in _parts(images))
        return self._stream(decoded, names, chosen, batches=-(-len(images) // BATCH))

    def embed_decoded(self, images: Tensor, stimuli: Sequence[str]) -> Embedding:
        """Embed images that were decoded before (images, 3, height, width); see `embed`."""
        _check_names(stimuli, images)
        parts = images.split(BATCH)
        return self._stream(parts, stimuli, self._choose(None), batches=len(parts)).load()

    def rdms(self, images: Sequence[Path | str], *, times_ms: Sequence[float] | None = None) -> RDMs:
        """RDMs of image files (1 - Pearson over dimensions), one for each time; see `embed`."""
        return self.stream(images, times_ms=times_ms).rdms().load()

    @torch.no_grad()
    def respond(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed decoded images (images, 3, height, width) in one pass: (times, images, dimensions).

        There is no noise, whatever the protocol, so that only what is in an image matters.
        """
        values = self._similarity(torch.from_numpy(images).to(self.backbone.device))
        if self.head is not None:
            values = self.head(values)
        responses: NDArray[np.float32] = values.float().cpu().numpy()
        return responses

    @torch.no_grad()
    def class_tokens(self, images: Tensor, stimuli: Sequence[str]) -> ClassTokens:
        """Give the class token of decoded images (images, 3, height, width) after every vision block, unprojected."""
        _check_names(stimuli, images)
        tokens = torch.cat([self.backbone.class_tokens(part) for part in images.split(BATCH)], dim=1)
        return ClassTokens(tokens.float().cpu().numpy(), tuple(stimuli))

    @torch.no_grad()
    def _stream(
        self, parts: Iterable[Tensor], stimuli: Sequence[str], chosen: NDArray[np.intp], batches: int
    ) -> LazyEmbedding:
        tracked = track(parts, "embedding", unit="batch", total=batches)
        similarity = torch.cat([self._similarity(part) for part in tracked], dim=1)
        metadata = {"dimensions": list(self.dimensions)}
        return LazyEmbedding(self.times_ms[chosen], tuple(stimuli), self._rows(similarity, chosen), metadata)

    def _rows(self, similarity: Tensor, chosen: NDArray[np.intp]) -> Callable[[int], NDArray[np.float32]]:
        """Give what makes the embedding at a time, by its place among those chosen, from what `_similarity` gave."""
        head, noise = self.head, self._noise()
        if head is None or noise is not None:
            # noise of the published protocol is drawn for all times at once
            with torch.no_grad():
                values = _to_numpy(similarity if head is None else head(similarity, noise))
            return lambda index: values[chosen[index]]
        several = max(1, NUMBERS // similarity[0].numel())

        @lru_cache(maxsize=1)
        @torch.no_grad()
        def block(number: int) -> NDArray[np.float32]:
            return _to_numpy(head(similarity, times=chosen[number * several : (number + 1) * several].tolist()))

        return lambda index: block(index // several)[index % several]

    def _choose(self, times_ms: Sequence[float] | None) -> NDArray[np.intp]:
        """Give the indices of the times wanted."""
        own = self.times_ms
        if times_ms is None:
            return np.arange(len(own))
        if self.head is None:
            raise ValueError("times_ms: this model has no time course; leave the times out")
        wanted = np.asarray(times_ms, dtype=np.float64)
        nearest: NDArray[np.intp] = np.abs(own - wanted[:, None]).argmin(axis=1)
        for time, found in zip(wanted, own[nearest], strict=True):
            if not np.isclose(time, found):
                raise ValueError(
                    f"times_ms: this model has no time {time:g} ms; the nearest of its {len(own)} times from "
                    f"{own[0]:g} to {own[-1]:g} ms is {found:g}"
                )
        return nearest

    def _noise(self) -> TemporalNoise | None:
        if self.evaluation_noise is None:
            return None
        scale, seed = self.evaluation_noise
        # drawn on the CPU whatever the device, so that a model gives the same everywhere
        return TemporalNoise(torch.Generator().manual_seed(seed), scale)

    def _similarity(self, images: Tensor) -> Tensor:
        """Embed decoded images (1, images, dimensions); for a dynamic head, table S (blocks, images, dimensions)."""
        if self.text_features is None:
            return self.backbone.image_features(images)[None]
        if self.head is None:
            features = self.backbone.image_features(images)
            return behavior_embedding(features, self.text_features, self.backbone.scale)[None]
        return block_similarity(self.backbone.block_features(images), self.text_features, self.backbone.scale)


def _check_names(names: Sequence[str], images: Sequence[Path | str] | Tensor) -> None:
    if not len(images):
        raise ValueError("images: at least one is needed")
    if len(names) != len(images) or len(set(names)) < len(images):
        twice = next((f", but {name!r} comes twice" for name in names if names.count(name) > 1), "")
        raise ValueError(
            f"stimuli: every image needs an identifier of its own{twice}; "
            "file names must differ or `stimuli` be given"
        )


def _to_numpy(values: Tensor) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = values.float().cpu().numpy()
    return numbers


def _parts(images: Sequence[Path | str]) -> Iterator[list[Path]]:
    for start in range(0, len(images), BATCH):
        yield [Path(image) for image in images[start : start + BATCH]]
