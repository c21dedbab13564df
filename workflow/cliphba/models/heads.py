"""From CLIP's features to embeddings on named dimensions: the static and the dynamic head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# The smallest amplitude of a response after picture onset. RDMs do not depend on amplitudes (Pearson is
# scale-free), but at amplitude zero, which min-max scaling gives to the weakest sample, there would be none.
LEAST_AMPLITUDE = 1e-3


def behavior_embedding(image_features: Tensor, text_features: Tensor, scale: Tensor) -> Tensor:
    """Embedding of the Behavior model: scaled cosine of image and prompt (CLIP-HBA, arXiv 2502.04658, Methods).

    Parameters
    ----------
    image_features
        (images, shared dimensions), unit length.
    text_features
        (dimensions, shared dimensions), unit length.
    scale
        exp of CLIP's logit scale.

    Returns
    -------
    Tensor
        (images, dimensions), on the 0-100 scale of the behavioural target.
    """
    return scale * image_features @ text_features.T


def block_similarity(block_features: Tensor, text_features: Tensor, scale: Tensor) -> Tensor:
    """Table S of every block's similarity to every prompt: (blocks, images, dimensions).

    Everything between the vision tower and the rectification is linear, so that the dynamic embedding of any
    weights follows from this table by one matrix product.
    """
    return scale * block_features @ text_features.T


@dataclass(frozen=True)
class TemporalCurves:
    """How strong and how lasting the measured geometry is at each time after picture onset.

    Attributes
    ----------
    times_ms
        (times,), all above zero.
    richness
        Mean dissimilarity, min-max scaled over time ("alpha").
    generalisation
        Mean correlation of an RDM with those at all times, min-max scaled ("beta").
    noise
        Smoothed complement of the generalisation, min-max scaled ("n").
    """

    times_ms: Tensor
    richness: Tensor
    generalisation: Tensor
    noise: Tensor


@dataclass(frozen=True)
class TrainingNoise:
    """Temporal noise that is added to embeddings during training, and only then."""

    generator: torch.Generator
    scale: float


class DynamicHead(nn.Module):
    """Embeddings over time from the block similarities (CLIP-HBA-MEG; arXiv 2502.04658, Methods).

    Parameters
    ----------
    curves
        Measured on training data.
    reweighting
        (times, blocks) initial logits of the block weights.
    window_ms
        Curves and logits are averaged over this time either way, among times after onset only, so that no
        sample before onset receives signal.

    Attributes
    ----------
    reweighting
        The trainable logits (times, blocks). Weights are their softmax over blocks: every block always has a
        gradient.
    """

    def __init__(self, curves: TemporalCurves, reweighting: Tensor, window_ms: float) -> None:
        super().__init__()
        self.curves = curves
        self.window_ms = window_ms
        self.reweighting = nn.Parameter(reweighting.clone())
        distance = (curves.times_ms[:, None] - curves.times_ms[None, :]).abs()
        window = (distance <= window_ms).to(reweighting.dtype)
        window = window / window.sum(dim=1, keepdim=True)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("amplitude", (window @ curves.richness).clamp(min=LEAST_AMPLITUDE), persistent=False)
        self.register_buffer("gain", (window @ curves.generalisation).clamp(min=LEAST_AMPLITUDE), persistent=False)
        self.register_buffer("noise", curves.noise, persistent=False)

    window: Tensor
    amplitude: Tensor
    gain: Tensor
    noise: Tensor

    def weights(self) -> Tensor:
        """Weight of every block at every time: (times, blocks), each row sums to one."""
        return torch.softmax(self.window @ self.reweighting, dim=-1)

    def forward(self, similarity: Tensor, noise: TrainingNoise | None = None) -> Tensor:
        """Embed images over time.

        Parameters
        ----------
        similarity
            Table S (blocks, images, dimensions).
        noise
            Given in training only; without it the embedding of an image depends on nothing but the image.

        Returns
        -------
        Tensor
            (times, images, dimensions), not negative.
        """
        logits = torch.tensordot(self.weights(), similarity, dims=1)
        response = torch.relu(self.amplitude[:, None, None] * logits)
        if noise is not None:
            drawn = torch.randn(response.shape, generator=noise.generator, device=response.device)
            response = response + noise.scale * self.noise[:, None, None] * response.std(1, keepdim=True) * drawn
        embedding = torch.relu(self.gain[:, None, None] * response)
        if noise is not None:
            embedding = embedding + _jitter(embedding, noise.generator)
        return embedding


def _jitter(embedding: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform values between 1e-6 and 1.1e-5: no embedding is constant while gradients flow."""
    return 1e-6 + 1e-5 * torch.rand(embedding.shape, generator=generator, device=embedding.device)
