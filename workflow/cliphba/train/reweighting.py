"""Pre-optimised reweighting: at each time, the mixture of vision blocks whose geometry is closest to the brain's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cliphba import rdm
from cliphba.config import Reweighting
from cliphba.progress import track

# Adam on the logits of the weights; every problem is smooth and has a handful of unknowns.
STEPS = 60
LEARNING_RATE = 0.25


@dataclass(frozen=True)
class InitialReweighting:
    """Weights on the simplex (times, blocks), and the correlation they reach on images left out (times,)."""

    weights: Tensor
    held_out_correlation: Tensor


def optimise_reweighting(
    class_tokens: Tensor, rdms: Tensor, *, outer_folds: int, inner_folds: int, seed: int
) -> InitialReweighting:
    """Find the weights of the blocks by nested cross-validation over images (arXiv 2502.04658, Methods).

    For each time, weights on the simplex that maximise the Pearson correlation between 1 - cosine of the weighted
    mean CLS token and the measured RDM. Each inner fold stops where the correlation on its left-out images is
    highest; the outer folds measure the fit of the mean of their inner solutions. All times are solved together.

    Parameters
    ----------
    class_tokens
        (blocks, images, width) of training images.
    rdms
        (times, pairs) of the same images.
    outer_folds, inner_folds
        Numbers of folds.
    seed
        Of the assignment of images to folds.

    Returns
    -------
    InitialReweighting
        Mean of the inner solutions of all outer folds.

    Raises
    ------
    ValueError
        If the folds leave out too few images for a correlation over their pairs.
    """
    _check_folds(class_tokens.shape[1], outer_folds, inner_folds)
    images = np.random.default_rng(seed).permutation(class_tokens.shape[1])
    solutions, scores = [], []
    folds = list(_folds(images, outer_folds))
    for kept, left_out in track(folds, "initial reweighting", unit="fold"):
        inner = [
            _solve(class_tokens, rdms, training, validation) for training, validation in _folds(kept, inner_folds)
        ]
        weights = torch.stack(inner).mean(dim=0)
        solutions.append(weights)
        scores.append(_correlation(weights, class_tokens[:, left_out], rdm.select(rdms, left_out)))
    return InitialReweighting(torch.stack(solutions).mean(dim=0), torch.stack(scores).mean(dim=0))


def last_block(class_tokens: Tensor, rdms: Tensor) -> InitialReweighting:
    """Put all weight on the last block at every time; see `optimise_reweighting`.

    Nothing is fitted, so that all images count as left out.
    """
    weights = torch.zeros(len(rdms), len(class_tokens), device=rdms.device)
    weights[:, -1] = 1
    return InitialReweighting(weights, _correlation(weights, class_tokens, rdms))


def _check_folds(images: int, outer_folds: int, inner_folds: int) -> None:
    """Refuse folds of fewer than three images: one pair has no correlation."""
    if Reweighting(outer_folds=outer_folds, inner_folds=inner_folds).smallest_fold(images) < 3:
        raise ValueError(
            f"reweighting: {images} images are too few for {outer_folds} outer and {inner_folds} inner folds, each "
            "of which needs three; use fewer folds or more images"
        )


def _folds(images: NDArray[np.intp], folds: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    for left_out in np.array_split(images, folds):
        yield np.setdiff1d(images, left_out), left_out


def _correlation(weights: Tensor, class_tokens: Tensor, rdms: Tensor) -> Tensor:
    """Correlation (times,) of predicted and measured RDMs of the same images."""
    tokens = torch.tensordot(weights, class_tokens, dims=1)
    unit = torch.nn.functional.normalize(tokens, dim=-1)
    predicted = 1 - rdm.to_triangle(unit @ unit.swapaxes(1, 2))
    return rdm.pearson(predicted, rdms)


def _solve(class_tokens: Tensor, rdms: Tensor, training: NDArray[np.intp], validation: NDArray[np.intp]) -> Tensor:
    """Weights (times, blocks), each time at the step that was best on the validation images."""
    seen, left_out = ((class_tokens[:, images], rdm.select(rdms, images)) for images in (training, validation))
    logits = torch.zeros(len(rdms), len(class_tokens), device=rdms.device, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=LEARNING_RATE)
    best = torch.full((len(rdms),), -torch.inf, device=rdms.device)
    best_weights = torch.softmax(logits.detach(), dim=-1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        weights = torch.softmax(logits, dim=-1)
        with torch.no_grad():
            reached = _correlation(weights, *left_out)
            best_weights = torch.where((reached > best)[:, None], weights, best_weights)
            best = torch.maximum(reached, best)
        # times are independent of each other: the sum gives each its own gradient
        (-_correlation(weights, *seen).sum()).backward()
        optimizer.step()
    return best_weights
