"""Static and dynamic embedding, equation by equation, and what must not matter."""

import numpy as np
import pytest
import torch

from cliphba import rdm
from cliphba.models.heads import (
    LEAST_AMPLITUDE,
    DynamicHead,
    TemporalCurves,
    TemporalNoise,
    behavior_embedding,
    block_similarity,
)

TIMES = torch.tensor([5.0, 10.0, 15.0, 20.0, 25.0])
BLOCKS, STIMULI, DIMENSIONS = 3, 6, 7


def values(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_head(window_ms=10.0, richness=None, generalisation=None, logits=None):
    curves = TemporalCurves(
        TIMES,
        richness=torch.tensor([0.2, 0.4, 1.0, 0.6, 0.3]) if richness is None else richness,
        generalisation=torch.tensor([0.1, 0.5, 0.9, 1.0, 0.7]) if generalisation is None else generalisation,
        noise=torch.tensor([1.0, 0.5, 0.1, 0.0, 0.2]),
    )
    return DynamicHead(curves, values(len(TIMES), BLOCKS, seed=1) if logits is None else logits, window_ms)


SIMILARITY = values(BLOCKS, STIMULI, DIMENSIONS) + 0.5


@torch.no_grad()
def rdms_of(head, similarity=SIMILARITY):
    return rdm.correlation_distance(head(similarity)).numpy()


def test_behavior_embedding_by_hand():
    images, prompts = torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[0.0, 1.0], [0.8, 0.6], [1.0, 0.0]])
    expected = [[0.0, 80.0, 100.0], [80.0, 96.0, 60.0]]
    torch.testing.assert_close(behavior_embedding(images, prompts, torch.tensor(100.0)), torch.tensor(expected))


def test_block_similarity_is_one_behavior_embedding_for_each_block():
    features, prompts = values(BLOCKS, STIMULI, 4), values(DIMENSIONS, 4, seed=2)
    found = block_similarity(features, prompts, torch.tensor(2.0))
    expected = 2 * np.einsum("jxc,dc->jxd", features.numpy(), prompts.numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_weights_are_the_softmax_of_window_means_over_times_after_onset_only():
    logits = values(len(TIMES), BLOCKS, seed=1).numpy().astype(float)
    windows = [[0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4]]
    expected = []
    for window in windows:
        mean = logits[window].mean(axis=0)
        expected.append(np.exp(mean) / np.exp(mean).sum())
    np.testing.assert_allclose(make_head().weights().detach().numpy(), expected, atol=1e-6)


def test_dynamic_embedding_is_its_definition():
    """y = ReLU(beta ReLU(alpha sum_j w_j S_j)), looped over time, stimulus and dimension."""
    head = make_head(window_ms=0.0)
    logits = values(len(TIMES), BLOCKS, seed=1).numpy().astype(float)
    alpha, beta = [0.2, 0.4, 1.0, 0.6, 0.3], [0.1, 0.5, 0.9, 1.0, 0.7]
    expected = np.zeros((len(TIMES), STIMULI, DIMENSIONS))
    for time, stimulus, dimension in np.ndindex(expected.shape):
        weights = np.exp(logits[time]) / np.exp(logits[time]).sum()
        mixed = sum(weights[block] * float(SIMILARITY[block, stimulus, dimension]) for block in range(BLOCKS))
        expected[time, stimulus, dimension] = max(0.0, beta[time] * max(0.0, alpha[time] * mixed))
    np.testing.assert_allclose(head(SIMILARITY).detach().numpy(), expected, atol=1e-6)


def test_curves_are_averaged_over_the_window():
    wide, narrow = make_head(), make_head(window_ms=0.0)
    assert wide.amplitude[0] == pytest.approx((0.2 + 0.4 + 1.0) / 3)
    assert wide.gain[4] == pytest.approx((0.9 + 1.0 + 0.7) / 3)
    assert narrow.amplitude.tolist() == pytest.approx([0.2, 0.4, 1.0, 0.6, 0.3])


def test_training_noise_is_its_definition():
    """y = ReLU(beta (r + n sigma_d eps)) + U(1e-6, 1.1e-5), sigma over the batch."""
    head = make_head(window_ms=0.0)
    found = head(SIMILARITY, TemporalNoise(torch.Generator().manual_seed(3), scale=2.0)).detach().numpy()
    generator = torch.Generator().manual_seed(3)
    epsilon, uniform = (draw(found.shape, generator=generator).numpy() for draw in (torch.randn, torch.rand))
    mixed = np.einsum("tj,jxd->txd", head.weights().detach().numpy(), SIMILARITY.numpy())
    response = np.maximum(0, head.amplitude.numpy()[:, None, None] * mixed)
    noisy = response + 2.0 * head.noise.numpy()[:, None, None] * response.std(1, ddof=1, keepdims=True) * epsilon
    expected = np.maximum(0, head.gain.numpy()[:, None, None] * noisy) + 1e-6 + 1e-5 * uniform
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rdm_of_the_embedding_by_hand():
    embedding = torch.tensor([[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, 1.0, 0.0]]])
    torch.testing.assert_close(rdm.correlation_distance(embedding), torch.tensor([[2.0, 1.0, 1.0]]))


@pytest.mark.parametrize("factor", [0.2, 5.0])
@pytest.mark.parametrize("curve", ["richness", "generalisation"])
def test_rdms_do_not_depend_on_the_scale_of_a_curve(curve, factor):
    original = make_head()
    scaled = make_head(**{curve: factor * getattr(original.curves, curve)})
    np.testing.assert_allclose(rdms_of(scaled), rdms_of(original), atol=1e-6)


def test_rdms_are_defined_where_a_curve_is_zero():
    zero = torch.zeros(len(TIMES))
    silent = make_head(window_ms=0.0, richness=zero, generalisation=zero)
    assert silent.amplitude.min() == pytest.approx(LEAST_AMPLITUDE)
    np.testing.assert_allclose(rdms_of(silent), rdms_of(make_head(window_ms=0.0)), atol=1e-5)


def test_evaluation_is_the_same_every_time():
    head = make_head()
    with torch.no_grad():
        assert torch.equal(head(SIMILARITY), head(SIMILARITY))


def test_an_image_is_embedded_the_same_alone_and_among_others():
    head = make_head()
    with torch.no_grad():
        together = head(SIMILARITY)
        alone = torch.cat([head(SIMILARITY[:, [index]]) for index in range(STIMULI)], dim=1)
    assert torch.isfinite(alone).all()
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)


def test_the_weakest_block_has_a_gradient():
    logits = torch.tensor([[3.0, 0.0, -6.0]]).repeat(len(TIMES), 1)
    head = make_head(logits=logits)
    rdm.correlation_distance(head(SIMILARITY)).square().sum().backward()
    assert (head.reweighting.grad.abs() > 0).all()


def test_dead_dimensions_and_dead_images_give_finite_gradients():
    similarity = SIMILARITY.clone()
    similarity[:, :, 2] = -1
    similarity[:, 1] = -1
    similarity.requires_grad_()
    head = make_head()
    noise = TemporalNoise(torch.Generator().manual_seed(0), scale=1.0)
    rdm.correlation_distance(head(similarity, noise)).square().sum().backward()
    assert torch.isfinite(similarity.grad).all()
    assert torch.isfinite(head.reweighting.grad).all()


def test_only_the_reweighting_is_trained():
    assert [name for name, _ in make_head().named_parameters()] == ["reweighting"]
