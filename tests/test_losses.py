"""The three parts of the MEG loss, spelled out in NumPy, for few images and for many."""

import numpy as np
import pytest
import torch

from cliphba import rdm
from cliphba.config import LossWeights
from cliphba.train.losses import FEW_IMAGES, Objective, Target, loss_parts
from tests.reference import losses_of_rdms

TIMES, DIMENSIONS = 4, 5
SIZES = pytest.mark.parametrize("images", [6, FEW_IMAGES * DIMENSIONS, FEW_IMAGES * DIMENSIONS + 1, 60])


def draw(images, *, seed=0, times=TIMES):
    """An embedding whose geometry changes over time, and RDMs that resemble its own."""
    random = np.random.default_rng(seed)
    changing = np.linspace(0.2, 2, times)[:, None, None] * random.random((times, images, DIMENSIONS))
    embedding = random.random((images, DIMENSIONS)) + changing
    predicted = rdm.correlation_distance(embedding)
    return embedding, 0.3 * predicted + random.random(predicted.shape)


def parts_of(embedding, target):
    return loss_parts(torch.from_numpy(embedding), Target(torch.from_numpy(target))).numpy()


@SIZES
def test_parts_are_their_definitions(images):
    """1 - one correlation over all times and pairs; mean squared error; 1 - correlation of mean generalisations."""
    embedding, target = draw(images)
    predicted = np.stack([1 - np.corrcoef(each)[np.triu_indices(images, 1)] for each in embedding])
    np.testing.assert_allclose(parts_of(embedding, target), losses_of_rdms(predicted, target), atol=1e-12)


def test_parts_by_hand():
    """Embeddings along (1, -1, 0) and its like: dissimilarities 0, 2 and 1."""
    embedding = np.array([[[1.0, -1, 0], [1, -1, 0], [-1, 1, 0]], [[1.0, -1, 0], [-1, 1, 0], [1, 1, -2]]])
    # pairs 01 02 12 at both times
    predicted, target = np.array([[0.0, 2, 2], [2, 1, 1]]), np.array([[0.0, 1, 1], [1, 1, 2]])
    np.testing.assert_allclose(rdm.correlation_distance(embedding), predicted, atol=1e-12)
    # deviations from the means 4/3 and 1: products sum to 1, squares to 10/3 and 2
    expected = [1 - 1 / np.sqrt(10 / 3 * 2), (0 + 1 + 1 + 1 + 0 + 1) / 6]
    assert parts_of(embedding, target)[:2] == pytest.approx(expected)


@SIZES
def test_perfect_prediction_has_no_loss(images):
    embedding, _ = draw(images)
    assert parts_of(embedding, rdm.correlation_distance(embedding)) == pytest.approx([0, 0, 0], abs=1e-7)


@pytest.mark.parametrize("alike", [0.3, 0.03, 0.01])
def test_single_precision_is_enough_for_images_that_are_nearly_alike(alike):
    """Class tokens of early blocks are: similarities of 0.99 and more, which differ in their last digits."""
    random = np.random.default_rng(0)
    shared, own = random.standard_normal((2, 300, 40))
    times = np.linspace(0.3, 1.5, 8)[:, None, None]
    embedding = random.standard_normal(40) + alike * (times * shared + 0.7 * own[None] * times[::-1])
    predicted = rdm.correlation_distance(embedding)
    spread = (predicted - predicted.mean()) / predicted.std()
    target = 0.5 + 0.05 * random.standard_normal(predicted.shape) + 0.05 * times[:, 0] * spread

    def losses_and_gradients(dtype):
        given = torch.from_numpy(embedding).to(dtype).requires_grad_()
        found = loss_parts(given, Target(torch.from_numpy(target).to(dtype)))
        return found.detach(), [torch.autograd.grad(part, given, retain_graph=True)[0] for part in found]

    (exact, right), (single, found) = (losses_and_gradients(dtype) for dtype in (torch.float64, torch.float32))
    np.testing.assert_allclose(exact, losses_of_rdms(predicted, target), rtol=1e-6)
    np.testing.assert_allclose(single, exact, rtol=5e-3)
    for one, other in zip(found, right, strict=True):
        assert torch.nn.functional.cosine_similarity(one.double().flatten(), other.flatten(), dim=0) > 0.999


@SIZES
def test_gradients_are_those_of_the_definitions(images):
    embedding, target = (torch.from_numpy(each) for each in draw(images))
    embedding.requires_grad_()
    weights = torch.tensor([1, 0.1, 0.15], dtype=torch.float64)
    (found,) = torch.autograd.grad(loss_parts(embedding, Target(target)) @ weights, embedding)
    step = 1e-6
    for place in [(0, 0, 0), (2, images - 1, 3), (TIMES - 1, 1, 4)]:
        moved = [embedding.detach().clone() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (losses_of_rdms(rdm.correlation_distance(each.numpy()), target.numpy()) for each in moved)
        assert found[place].item() == pytest.approx(weights.numpy() @ (up - down) / (2 * step), rel=1e-4, abs=1e-9)


@SIZES
def test_gradients_are_finite_also_for_constant_predictions(images):
    embedding = torch.ones(TIMES, images, DIMENSIONS, requires_grad=True)
    _, target = draw(images)
    loss_parts(embedding, Target(torch.from_numpy(target).float())).sum().backward()
    assert torch.isfinite(embedding.grad).all()


@SIZES
def test_an_image_without_variance_counts_as_dissimilar_to_all(images):
    embedding, target = draw(images)
    embedding[:, 2] = 0.5
    expected = losses_of_rdms(rdm.correlation_distance(embedding), target)
    np.testing.assert_allclose(parts_of(embedding, target), expected, atol=1e-9)


@SIZES
def test_a_model_that_never_changes_has_no_generalisation_to_compare(images):
    """Its curve is rounding alone, whose correlation with anything would be chance."""
    embedding, target = draw(images, times=40)
    still = torch.from_numpy(embedding[:1]).float() * torch.linspace(0.1, 3, 40)[:, None, None]
    assert loss_parts(still, Target(torch.from_numpy(target).float()))[2].item() == pytest.approx(1, abs=2e-3)


@SIZES
def test_losses_of_several_participants_are_those_of_each(images):
    drawn = [draw(images, seed=seed) for seed in (2, 3, 4)]
    embedding, target = (torch.from_numpy(np.stack(each)) for each in zip(*drawn, strict=True))
    together = loss_parts(embedding, Target(target))
    alone = torch.stack([loss_parts(one, Target(other)) for one, other in zip(embedding, target, strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-10, rtol=0)


def test_many_images_keep_no_pairs_for_the_gradient():
    """What is kept grows with images x dimensions: the largest tensors are the measured ones, which are given."""
    images = 200
    embedding, target = (torch.from_numpy(each) for each in draw(images))
    embedding.requires_grad_()
    given = Target(target)
    shared = {given.square.data_ptr(), given.rdms.data_ptr()}
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor
    ):
        loss_parts(embedding, given)
    own = [tensor.numel() for tensor in kept if tensor.data_ptr() not in shared]
    # one matrix of images x images for all times together
    assert max(own) <= images * images


def test_objective_weighs_each_part_against_its_value_before_training():
    objective = Objective.relative_to(
        torch.tensor([0.5, 0.02, 0.25]), LossWeights(pattern=1, magnitude=0.1, generalisation=0.15)
    )
    assert float(objective.total(torch.tensor([0.5, 0.02, 0.25]))) == pytest.approx(1.25)
    # 1 * 0.25 / 0.5 + 0.1 * 0.04 / 0.02 + 0.15 * 0.5 / 0.25
    assert float(objective.total(torch.tensor([0.25, 0.04, 0.5]))) == pytest.approx(0.5 + 0.2 + 0.3)


def test_a_part_that_was_zero_before_training_does_not_divide_by_zero():
    objective = Objective.relative_to(torch.tensor([0.5, 0.0, 0.2]), LossWeights())
    assert torch.isfinite(objective.total(torch.tensor([0.5, 0.0, 0.2])))
