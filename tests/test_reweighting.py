"""Pre-optimised reweighting: a planted mixture of blocks is found, each time on its own."""

import numpy as np
import pytest
import torch

from cliphba import rdm
from cliphba.train.reweighting import optimise_reweighting

BLOCKS, IMAGES, WIDTH = 3, 30, 12
TOKENS = torch.randn(BLOCKS, IMAGES, WIDTH, generator=torch.Generator().manual_seed(0))


def cosine_rdm(weights):
    """1 - cosine of the weighted mean CLS token, in NumPy."""
    tokens = np.tensordot(np.array(weights), TOKENS.numpy(), axes=1)
    unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    return torch.from_numpy(rdm.to_triangle(1 - unit @ unit.T)).float()


def solve(rdms, seed=0):
    return optimise_reweighting(TOKENS, rdms, outer_folds=3, inner_folds=2, seed=seed)


MIXTURES = [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.3, 0.2)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def found():
    return solve(torch.stack([cosine_rdm(mixture) for mixture in MIXTURES]))


def test_planted_mixtures_are_found(found):
    np.testing.assert_allclose(found.weights.numpy(), MIXTURES, atol=0.05)
    assert (found.held_out_correlation > 0.99).all()


def test_weights_lie_on_the_simplex(found):
    assert (found.weights >= 0).all()
    torch.testing.assert_close(found.weights.sum(dim=1), torch.ones(3))


def test_times_do_not_influence_each_other(found):
    alone = solve(cosine_rdm(MIXTURES[2])[None])
    torch.testing.assert_close(alone.weights[0], found.weights[2], atol=1e-4, rtol=0)
    torch.testing.assert_close(alone.held_out_correlation[0], found.held_out_correlation[2], atol=1e-4, rtol=0)


def test_noise_has_no_held_out_correlation():
    noise = torch.rand(4, IMAGES * (IMAGES - 1) // 2, generator=torch.Generator().manual_seed(1))
    assert abs(float(solve(noise).held_out_correlation.mean())) < 0.15


def test_same_seed_gives_the_same_weights(found):
    again = solve(torch.stack([cosine_rdm(mixture) for mixture in MIXTURES]))
    assert torch.equal(again.weights, found.weights)


def test_folds_too_small_to_measure_anything_are_refused():
    few = TOKENS[:, :12]
    with pytest.raises(ValueError, match="12 images are too few for 5 outer and 5 inner folds"):
        optimise_reweighting(few, torch.rand(1, 66), outer_folds=5, inner_folds=5, seed=0)
