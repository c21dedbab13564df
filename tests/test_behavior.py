from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cliphba import behavior, rdm
from tests.conftest import real_data


def test_scaling_comes_from_the_stimuli_it_was_fitted_on():
    scaling = behavior.Scaling.fit(np.array([[0.0, 1.0], [2.0, 0.5]]))
    np.testing.assert_allclose(scaling.apply(np.array([[0.0, 2.0], [1.0, 3.0]])), [[0, 100], [50, 150]])


def test_constant_embedding_is_refused():
    with pytest.raises(ValueError, match="constant"):
        behavior.Scaling.fit(np.ones((3, 2)))


def test_choice_dissimilarity_equals_its_definition():
    embedding = np.random.default_rng(0).random((5, 3))
    similarity = embedding @ embedding.T
    expected = []
    for i, j in itertools.combinations(range(5), 2):
        others = [k for k in range(5) if k not in (i, j)]
        strengths = [np.exp([similarity[i, j], similarity[i, k], similarity[j, k]]) for k in others]
        expected.append(1 - np.mean([strength[0] / strength.sum() for strength in strengths]))
    np.testing.assert_allclose(behavior.choice_dissimilarity(embedding), expected)


def test_triplets_of_four_stimuli_by_hand():
    triplets = pd.DataFrame(
        [("a", "b", "c"), ("b", "a", "d"), ("c", "d", "a"), ("b", "c", "d")], columns=["first", "second", "odd"]
    )
    # pairs ab ac ad bc bd cd: presented 2 2 2 2 2 2, kept together 2 0 0 1 0 1
    np.testing.assert_allclose(behavior.triplet_dissimilarity(triplets, list("abcd")), [0, 1, 1, 0.5, 1, 0.5])


def test_pair_without_a_judgement_is_refused():
    triplets = pd.DataFrame([("a", "b", "c")], columns=["first", "second", "odd"])
    with pytest.raises(ValueError, match="3 of 6 pairs"):
        behavior.triplet_dissimilarity(triplets, list("abcd"))


def test_real_spose_against_the_real_human_rdm():
    things = behavior.read_things(real_data("things"))
    embedding = things.held_out_embedding
    predictions = {
        0.8648: rdm.correlation_distance(embedding),
        0.8784: behavior.dot_product_dissimilarity(embedding),
        0.8980: behavior.choice_dissimilarity(embedding),
    }
    for published, prediction in predictions.items():
        assert round(float(rdm.spearman(prediction, things.dissimilarity)), 4) == published
        assert round(spearmanr(prediction, things.dissimilarity).statistic, 4) == published


def test_real_spose_range():
    things = behavior.read_things(real_data("things"))
    scaling = behavior.Scaling.fit(things.embedding)
    assert scaling.low == pytest.approx(-0.000520112575)
    assert scaling.high == pytest.approx(2.741537094)


def test_halves_share_out_the_judgements_of_each_triplet():
    # of each triplet, one judgement keeps the first pair together, one the last
    rows = [judged for i, j, k in itertools.combinations("abcd", 3) for judged in ((i, j, k), (j, k, i))]
    triplets = pd.DataFrame(rows, columns=["first", "second", "odd"])
    first, second = behavior.split_half_dissimilarities(triplets, list("abcd"), splits=6, seed=0)
    assert first.shape == second.shape == (6, 6)
    # every pair is in two triplets, so that halves of equal company average to the whole
    whole = behavior.triplet_dissimilarity(triplets, list("abcd"))
    np.testing.assert_allclose((first + second) / 2, np.tile(whole, (6, 1)))
    assert len(np.unique(first, axis=0)) > 1


def test_triplets_judged_once_fall_into_either_half():
    random = np.random.default_rng(0)
    rows = [random.permutation(list(three)) for three in itertools.combinations("abcdefghijklmnop", 3)]
    triplets = pd.DataFrame(rows, columns=["first", "second", "odd"])
    first, _ = behavior.split_half_dissimilarities(triplets, list("abcdefghijklmnop"), splits=4, seed=0)
    assert len(np.unique(first, axis=0)) == 4


def test_published_triplets_name_concepts(tmp_path):
    path = tmp_path / "triplets.txt"
    path.write_text("0 2 1 7\n2 1 0 3\n")
    expected = pd.DataFrame(
        [("ant", "cup", "bee", "7"), ("cup", "bee", "ant", "3")], columns=["first", "second", "odd", "participant"]
    )
    found = behavior.read_things_triplets(path, ["ant", "bee", "cup"])
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()
    assert list(found) == list(expected)


@pytest.mark.parametrize(("text", "message"), [("0 2 1\n", "3 columns"), ("0 3 1 7\n", "beyond the 3 known")])
def test_other_files_of_triplets_are_refused(tmp_path, text, message):
    path = tmp_path / "triplets.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        behavior.read_things_triplets(path, ["ant", "bee", "cup"])
