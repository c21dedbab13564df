"""The three parts of the MEG loss, spelled out in NumPy."""

import numpy as np
import pytest
import torch

from cliphba.config import LossWeights
from cliphba.train.losses import Objective, loss_parts

PREDICTED, TARGET = np.random.default_rng(0).random((2, 4, 10))


def parts_of(predicted, target):
    return loss_parts(torch.from_numpy(predicted), torch.from_numpy(target)).numpy()


def test_pattern_is_one_correlation_over_all_times_and_pairs():
    expected = 1 - np.corrcoef(PREDICTED.ravel(), TARGET.ravel())[0, 1]
    assert parts_of(PREDICTED, TARGET)[0] == pytest.approx(expected, abs=1e-12)


def test_magnitude_is_the_mean_squared_error():
    assert parts_of(PREDICTED, TARGET)[1] == pytest.approx(((PREDICTED - TARGET) ** 2).mean(), abs=1e-12)


def test_generalisation_compares_mean_correlations_with_all_times():
    curves = [np.corrcoef(one).mean(axis=1) for one in (PREDICTED, TARGET)]
    assert parts_of(PREDICTED, TARGET)[2] == pytest.approx(1 - np.corrcoef(curves)[0, 1], abs=1e-12)


def test_parts_by_hand():
    target = np.array([[0.0, 1.0], [1.0, 2.0]])
    predicted = np.array([[1.0, 0.0], [1.0, 2.0]])
    # deviations from the mean 1: (0, -1, 0, 1) and (-1, 0, 0, 1); their product sum is 1, both squares sum to 2
    assert parts_of(predicted, target)[:2] == pytest.approx([1 - 1 / 2, 2 / 4])


def test_perfect_prediction_has_no_loss():
    assert parts_of(TARGET, TARGET) == pytest.approx([0, 0, 0], abs=1e-12)


def test_gradients_are_finite_also_for_constant_predictions():
    predicted = torch.ones(4, 10, requires_grad=True)
    loss_parts(predicted, torch.from_numpy(TARGET).float()).sum().backward()
    assert torch.isfinite(predicted.grad).all()


def test_a_model_that_never_changes_has_no_generalisation_to_compare():
    """Its curve is rounding alone, whose correlation with anything would be chance."""
    still = torch.from_numpy(PREDICTED[:1]).float() * torch.linspace(0.1, 3, 40)[:, None]
    target = torch.from_numpy(np.random.default_rng(1).random((40, 10))).float()
    assert float(loss_parts(still, target)[2]) == pytest.approx(1, abs=1e-3)


def test_losses_of_several_participants_are_those_of_each():
    predicted, target = (torch.from_numpy(np.random.default_rng(seed).random((3, 4, 10))) for seed in (2, 3))
    together = loss_parts(predicted, target)
    alone = torch.stack([loss_parts(*pair) for pair in zip(predicted, target, strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


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
