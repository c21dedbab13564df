"""A finished model: images in, embeddings and RDMs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba.clip.backbone import Backbone
from cliphba.models.heads import DynamicHead, TemporalNoise, behavior_embedding, block_similarity
from cliphba.progress import track
from cliphba.tables import ClassTokens, Embedding, RDMs

# Images that pass the vision tower at once: some two gigabytes of activations with ViT-L/14.
BATCH = 64


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

    def embed(self, images: Sequence[Path | str], stimuli: Sequence[str] | None = None) -> Embedding:
        """Embed image files.

        Parameters
        ----------
        images
            Files that Pillow can read.
        stimuli
            Their identifiers; file names without ending by default.

        Returns
        -------
        Embedding
            (times, images, dimensions); for plain CLIP the image feature. An image's embedding does not depend
            on what other images are embedded with it, but for the noise of the published protocol.

        Raises
        ------
        ValueError
            If there are no images, or not one distinct identifier for each.
        """
        names = stimuli if stimuli is not None else [Path(image).stem for image in images]
        _check_names(names, len(images))
        decoded = (self.backbone.read_images(part) for part in _parts(images))
        return self._embed(decoded, names, batches=-(-len(images) // BATCH))

    def embed_decoded(self, images: Tensor, stimuli: Sequence[str]) -> Embedding:
        """Embed images that were decoded before (images, 3, height, width); see `embed`."""
        _check_names(stimuli, len(images))
        parts = images.split(BATCH)
        return self._embed(parts, stimuli, batches=len(parts))

    def rdms(self, images: Sequence[Path | str]) -> RDMs:
        """RDMs of image files (1 - Pearson over dimensions), one for each time of a dynamic model."""
        embedding = self.embed(images)
        return embedding.rdms(embedding.stimuli)

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
        _check_names(stimuli, len(images))
        tokens = torch.cat([self.backbone.class_tokens(part) for part in images.split(BATCH)], dim=1)
        return ClassTokens(tokens.float().cpu().numpy(), tuple(stimuli))

    @torch.no_grad()
    def _embed(self, parts: Iterable[Tensor], stimuli: Sequence[str], batches: int) -> Embedding:
        tracked = track(parts, "embedding", unit="batch", total=batches)
        values = torch.cat([self._similarity(part) for part in tracked], dim=1)
        if self.head is not None:
            # at once: noise of the published protocol depends on the deviation over images
            values = self.head(values, self._noise())
        metadata = {"dimensions": list(self.dimensions)}
        return Embedding(self.times_ms, values.float().cpu().numpy(), tuple(stimuli), metadata)

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


def _check_names(names: Sequence[str], images: int) -> None:
    if not images:
        raise ValueError("images: at least one is needed")
    if len(names) != images or len(set(names)) < images:
        raise ValueError(
            "stimuli: every image needs an identifier of its own; file names must differ or `stimuli` be given"
        )


def _parts(images: Sequence[Path | str]) -> Iterator[list[Path]]:
    for start in range(0, len(images), BATCH):
        yield [Path(image) for image in images[start : start + BATCH]]
