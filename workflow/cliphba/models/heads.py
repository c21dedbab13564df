"""From CLIP's features to embeddings on named dimensions: the static and the dynamic head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cliphba.config import BlockWeights

# The smallest amplitude of a response after picture onset. RDMs do not depend on amplitudes (Pearson is
# scale-free), but at amplitude zero, which min-max scaling gives to the weakest sample, there would be none.
LEAST_AMPLITUDE = 1e-3
# Least initial weight of a block, so that the logarithm of a weight of zero is a number that training can leave.
LEAST_WEIGHT = 1e-3
EVERY = slice(None)


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
    """How strong and how lasting the measured geometry is at each time; of several participants, (..., times).

    Attributes
    ----------
    times_ms
        (times,); all above zero but in the published protocol.
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
class TemporalNoise:
    """Noise that is added to embeddings: in training; in the published protocol whenever anything is embedded."""

    generator: torch.Generator
    scale: float


class DynamicHead(nn.Module):
    """Embeddings over time from the block similarities (CLIP-HBA-MEG; arXiv 2502.04658, Methods).

    Parameters
    ----------
    curves
        Measured on training data, of one participant (or group), or of several at once. Only the published protocol
        has samples up to onset among its times; without them no sample before onset receives signal.
    reweighting
        (..., times, blocks) initial values of what the weights of the blocks are made from.
    window_ms
        Curves and reweighting are averaged over this time either way, among the times of the curves.
    block_weights
        How weights are made from the reweighting.

    Attributes
    ----------
    reweighting
        Trainable (..., times, blocks). Under softmax every block always has a gradient.
    """

    def __init__(
        self, curves: TemporalCurves, reweighting: Tensor, window_ms: float, block_weights: BlockWeights = "softmax"
    ) -> None:
        super().__init__()
        self.curves = curves
        self.window_ms = window_ms
        self.block_weights = block_weights
        self.reweighting = nn.Parameter(reweighting.clone())
        distance = (curves.times_ms[:, None] - curves.times_ms[None, :]).abs()
        window = (distance <= window_ms).to(reweighting.dtype)
        window = window / window.sum(dim=1, keepdim=True)
        least = LEAST_AMPLITUDE if (curves.times_ms > 0).all() else 0
        self.register_buffer("window", window, persistent=False)
        amplitude, gain = (
            (window @ curve[..., None])[..., 0].clamp(min=least) for curve in (curves.richness, curves.generalisation)
        )
        self.register_buffer("amplitude", amplitude, persistent=False)
        self.register_buffer("gain", gain, persistent=False)
        self.register_buffer("noise", curves.noise, persistent=False)

    window: Tensor
    amplitude: Tensor
    gain: Tensor
    noise: Tensor

    def weights(self) -> Tensor:
        """Weight of every block at every time: (..., times, blocks), each row sums to one."""
        mean = self.window @ self.reweighting
        if self.block_weights == "softmax":
            return torch.softmax(mean, dim=-1)
        above = mean - mean.amin(dim=-1, keepdim=True)
        scaled = above / above.amax(dim=-1, keepdim=True).clamp(min=torch.finfo(mean.dtype).tiny)
        weights: Tensor = scaled / scaled.sum(dim=-1, keepdim=True).clamp(min=1)
        return weights

    def forward(
        self, similarity: Tensor, noise: TemporalNoise | None = None, times: Sequence[int] | slice = EVERY
    ) -> Tensor:
        """Embed images over time.

        Parameters
        ----------
        similarity
            Table S (blocks, images, dimensions).
        noise
            Without it the embedding of an image depends on nothing but the image.
        times
            At which of the times, by their indices.

        Returns
        -------
        Tensor
            (..., times, images, dimensions), not negative.
        """
        logits = torch.tensordot(self.weights()[..., times, :], similarity, dims=1)
        response = torch.relu(self.amplitude[..., times, None, None] * logits)
        if noise is not None:
            # the same for all participants: models differ by their data alone
            drawn = _drawn(torch.randn, response, noise.generator)
            spread = noise.scale * self.noise[..., times, None, None] * response.std(-2, keepdim=True)
            response = response + spread * drawn
        embedding = torch.relu(self.gain[..., times, None, None] * response)
        if noise is not None:
            embedding = embedding + _jitter(embedding, noise.generator)
        return embedding


def stack_heads(heads: Sequence[DynamicHead]) -> DynamicHead:
    """Make one head of those of several participants, all at the same times."""
    curves = [head.curves for head in heads]
    richness, generalisation, noise = (
        torch.stack([getattr(one, name) for one in curves]) for name in ("richness", "generalisation", "noise")
    )
    stacked = TemporalCurves(curves[0].times_ms, richness, generalisation, noise)
    reweighting = torch.stack([head.reweighting.detach() for head in heads])
    return DynamicHead(stacked, reweighting, heads[0].window_ms, heads[0].block_weights).to(reweighting.device)


def starting_values(weights: Tensor, block_weights: BlockWeights) -> Tensor:
    """Give a reweighting (times, blocks) from which `DynamicHead.weights` makes these weights, nearly or exactly."""
    if block_weights == "min_max":
        return weights.clone()
    return weights.clamp(min=LEAST_WEIGHT).log()


def _jitter(embedding: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform values between 1e-6 and 1.1e-5: no embedding is constant while gradients flow."""
    return 1e-6 + 1e-5 * _drawn(torch.rand, embedding, generator)


def _drawn(law: Callable[..., Tensor], like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw values (times, images, dimensions) wherever the generator is."""
    return law(like.shape[-3:], generator=generator, device=generator.device).to(like.device)
