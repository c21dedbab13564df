"""The simulated judges choose as the softmax choice model says."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from cliphba.simulate.factors import NAMEABLE, draw_factors
from cliphba.simulate.judgements import judge_triplets, measured_embedding, perceived_embedding


def test_perceived_dimensions_are_the_nameable_factors_on_the_scale_of_spose() -> None:
    factors = draw_factors(count=50, seed=0)
    perceived = perceived_embedding(factors)
    assert tuple(perceived.columns) == NAMEABLE
    assert perceived.to_numpy().min() == 0.0
    assert 2.0 < perceived.to_numpy().max() <= 2.5
    changed = factors.assign(size=1.0 - factors["size"])
    pd.testing.assert_frame_equal(perceived, perceived_embedding(changed))


def test_measured_embedding_is_the_truth_with_error() -> None:
    factors = draw_factors(count=200, seed=0)
    truth = perceived_embedding(factors)
    pd.testing.assert_frame_equal(measured_embedding(factors, noise=0.0, seed=1), truth)
    measured = measured_embedding(factors, noise=0.2, seed=1)
    assert measured.to_numpy().min() >= 0.0
    present = truth.to_numpy() > 1.0
    assert np.std((measured - truth).to_numpy()[present]) == pytest.approx(0.2, rel=0.1)
    pd.testing.assert_frame_equal(measured, measured_embedding(factors, noise=0.2, seed=1))
    assert not measured.equals(measured_embedding(factors, noise=0.2, seed=2))


def test_every_triplet_is_judged_as_often_as_asked() -> None:
    embedding = perceived_embedding(draw_factors(count=7, seed=0))
    judged = judge_triplets(embedding, repetitions=3, temperature=1.0, judges=5, seed=0)
    assert list(judged.columns) == ["first", "second", "odd", "participant"]
    assert all(kind.kind == "i" for kind in judged.dtypes)
    asked = np.sort(judged[["first", "second", "odd"]].to_numpy(), axis=1)
    triplets, counts = np.unique(asked, axis=0, return_counts=True)
    assert [tuple(row) for row in triplets] == list(combinations(range(7), 3))
    assert set(counts) == {3}
    assert set(judged["participant"]) == set(range(5))


def test_choices_follow_the_softmax_of_dot_products() -> None:
    embedding = pd.DataFrame([[1.0, 0.0], [1.0, 0.5], [0.0, 1.0]])
    # s_01 = 1, s_02 = 0, s_12 = 0.5
    weights = np.exp([1.0, 0.0, 0.5])
    judged = judge_triplets(embedding, repetitions=40_000, temperature=1.0, judges=2, seed=0)
    shares = [(judged["odd"] == odd).mean() for odd in (2, 1, 0)]
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.01)


def test_cold_judges_always_keep_the_most_similar_pair() -> None:
    embedding = pd.DataFrame([[1.0, 0.0], [1.0, 0.5], [0.0, 1.0]])
    judged = judge_triplets(embedding, repetitions=100, temperature=1e-3, judges=2, seed=0)
    assert (judged[["first", "second", "odd"]].to_numpy() == [0, 1, 2]).all()


def test_judges_without_perception_choose_at_random() -> None:
    blind = pd.DataFrame(np.zeros((12, 4)))
    judged = judge_triplets(blind, repetitions=50, temperature=1.0, judges=2, seed=0)
    triplets = np.sort(judged[["first", "second", "odd"]].to_numpy(), axis=1)
    position = (triplets == judged[["odd"]].to_numpy()).argmax(axis=1)
    np.testing.assert_allclose(np.bincount(position) / len(position), 1 / 3, atol=0.02)


def test_same_seed_same_judgements() -> None:
    embedding = perceived_embedding(draw_factors(count=10, seed=0))
    judged, again, other = (
        judge_triplets(embedding, repetitions=2, temperature=1.0, judges=3, seed=seed) for seed in (4, 4, 5)
    )
    pd.testing.assert_frame_equal(judged, again)
    assert not judged.equals(other)


def test_bad_input_is_named() -> None:
    factors = draw_factors(count=4, seed=0)
    with pytest.raises(ValueError, match="red"):
        perceived_embedding(factors.drop(columns="red"))
    with pytest.raises(ValueError, match="noise"):
        measured_embedding(factors, noise=-1.0, seed=0)
    embedding = perceived_embedding(factors)
    with pytest.raises(ValueError, match="embedding"):
        judge_triplets(embedding[:2], repetitions=1, temperature=1.0, judges=1, seed=0)
    with pytest.raises(ValueError, match="temperature"):
        judge_triplets(embedding, repetitions=1, temperature=0.0, judges=1, seed=0)
    with pytest.raises(ValueError, match="count"):
        draw_factors(count=0, seed=0)
