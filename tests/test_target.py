"""From measured RDMs to what training is aimed at and starts from."""

import numpy as np
import pandas as pd
import pytest
import torch

from cliphba.meg.curves import temporal_curves
from cliphba.models.checkpoint import DynamicState
from cliphba.models.heads import LEAST_WEIGHT
from cliphba.tables import RDMs
from cliphba.train.target import choose_times, initial_head, mean_rdms, measure_curves, reweighting_table

TIMES = np.array([-20.0, 0.0, 20.0, 40.0, 60.0])
VALUES = np.random.default_rng(0).random((2, len(TIMES), 6)).astype(np.float32)
MEASURED = [RDMs(TIMES, values, ("a", "b", "c", "d")) for values in VALUES]
WEIGHTS = np.array([[0.0, 0.5, 0.5], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], dtype=np.float32)


def initial(times=TIMES[2:]):
    return reweighting_table("initial", times, WEIGHTS)


def test_target_is_the_mean_over_participants_after_onset():
    target = choose_times(mean_rdms(MEASURED), "after_onset")
    assert target.times_ms.tolist() == [20, 40, 60]
    np.testing.assert_allclose(target.values, (VALUES[0, 2:] + VALUES[1, 2:]) / 2, atol=1e-6)
    assert target.values.dtype == np.float32


@pytest.mark.parametrize(
    "other",
    [
        RDMs(TIMES, VALUES[1], ("b", "a", "c", "d")),
        RDMs(TIMES + 20, VALUES[1], ("a", "b", "c", "d")),
    ],
    ids=["order", "times"],
)
def test_participants_that_do_not_match_are_refused(other):
    with pytest.raises(ValueError, match="different stimuli or times"):
        mean_rdms([MEASURED[0], other])


def test_published_target_has_the_baseline_too():
    target = choose_times(mean_rdms(MEASURED), "all")
    assert target.times_ms.tolist() == TIMES.tolist()
    np.testing.assert_allclose(target.values, VALUES.mean(axis=0), atol=1e-6)


def test_curves_are_those_of_the_recordings_after_onset():
    curves, expected = measure_curves(MEASURED, "after_onset"), temporal_curves(VALUES, TIMES)
    for name in ("time_ms", "richness", "generalisation", "noise"):
        found = getattr(curves, "times_ms" if name == "time_ms" else name)
        np.testing.assert_allclose(found.numpy(), expected[name][2:], atol=1e-6)


def test_published_curves_are_zero_up_to_onset_but_there():
    curves = measure_curves(MEASURED, "all")
    assert curves.times_ms.tolist() == TIMES.tolist()
    assert curves.richness[:2].tolist() == curves.generalisation[:2].tolist() == [0, 0]


def head_from(start=None, table=None, window_ms=20.0, block_weights="softmax"):
    curves = measure_curves(MEASURED, "after_onset")
    table = initial() if table is None else table
    return initial_head(curves, start=start, initial=table, window_ms=window_ms, block_weights=block_weights)


def test_min_max_weights_start_from_the_initial_weights_scaled_over_blocks():
    """Published: the weakest block becomes zero, the rest keep their differences, and all sum to one."""
    head = head_from(window_ms=0, block_weights="min_max")
    above = WEIGHTS - WEIGHTS.min(axis=1, keepdims=True)
    np.testing.assert_allclose(head.weights().detach(), above / above.sum(axis=1, keepdims=True), atol=1e-6)


def test_head_has_no_sample_up_to_onset_and_starts_from_the_initial_weights():
    head = head_from(window_ms=0)
    assert (head.curves.times_ms > 0).all()
    expected = np.maximum(WEIGHTS, LEAST_WEIGHT)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.weights().detach().numpy(), expected, atol=1e-6)


def test_rows_of_the_initial_table_may_stand_in_any_order():
    shuffled = initial().sample(frac=1, random_state=0)
    first, second = (head_from(table=table) for table in (initial(), shuffled))
    assert torch.equal(first.reweighting, second.reweighting)


def test_a_dynamic_start_gives_its_reweighting_but_not_its_curves():
    other = measure_curves([RDMs(TIMES, VALUES[0] ** 2, MEASURED[0].stimuli)], "after_onset")
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    head = head_from(start=DynamicState(other, logits, 20))
    assert torch.equal(head.reweighting, logits)
    assert torch.equal(head.curves.richness, measure_curves(MEASURED, "after_onset").richness)


def test_other_times_are_refused():
    with pytest.raises(ValueError, match="at other times"):
        head_from(table=initial(TIMES[2:] + 5))


def test_reweighting_table_counts_blocks_from_one():
    table = reweighting_table("group", torch.tensor([20.0, 40.0]), WEIGHTS[:2, :2])
    expected = pd.DataFrame(
        {
            "model": "group",
            "time_ms": [20.0, 20.0, 40.0, 40.0],
            "block": [1, 2, 1, 2],
            "weight": WEIGHTS[:2, :2].ravel().astype(float),
        }
    )
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
