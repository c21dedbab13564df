"""Identification of participants by their models: by hand, planted, and calibrated where there is nothing to find."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from cliphba import tables
from cliphba.evaluate import personal
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import Independence

BY_HAND = np.array([[0.5, 0.1, 0.0], [0.2, 0.4, 0.0], [0.3, 0.0, 0.0]])


def assert_calibrated(p, reachable):
    """Each reachable level is undercut no more often than it says; without ties, as often as it says."""
    found = np.mean(p <= 0.05)
    low, high = binom.interval(0.999, len(p), reachable)
    assert low <= found * len(p) <= high
    assert found * len(p) <= binom.ppf(0.9995, len(p), 0.05)


def reachable_level(evidence, level=0.05):
    """What share of all assignments has a p of at most `level`: exactly the rate of false alarms under the null."""
    rates = []
    for one in evidence:
        orders = list(itertools.permutations(range(len(one))))
        summed = np.round([sum(one[row, column] for row, column in enumerate(order)) for order in orders], 9)
        p = [(summed >= value).mean() for value in summed]
        rates.append(np.mean(np.array(p) <= level))
    return float(np.mean(rates))


def test_double_centring_by_hand():
    centred = personal.double_centre(np.array([[3.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(centred, [[0.5, -0.5], [-0.5, 0.5]])


def test_accuracy_and_margin_by_hand():
    # raw, the third model fits the first participant best, as all models do; beyond that it fits its own best
    assert personal.row_maxima(BY_HAND).trace() == 2
    assert personal.accuracy(BY_HAND) == 1
    centred = BY_HAND - BY_HAND.mean(1, keepdims=True) - BY_HAND.mean(0) + BY_HAND.mean()
    off = centred[~np.eye(3, dtype=bool)]
    assert personal.margin(BY_HAND) == pytest.approx(np.diag(centred).mean() - off.mean())


def test_how_good_models_and_data_are_does_not_matter():
    rows, columns = np.array([[5.0], [-3.0], [0.0]]), np.array([1.0, 9.0, -4.0])
    for quantity in (personal.accuracy, personal.margins, personal.ranks):
        np.testing.assert_allclose(quantity(BY_HAND + rows + columns), quantity(BY_HAND), atol=1e-12)


def test_a_row_with_a_tie_has_no_maximum():
    assert personal.accuracy(np.zeros((4, 4))) == 0
    assert personal.identify(np.zeros((4, 4)), seed=0).accuracy_p == 1


def test_permutation_p_by_hand():
    # of the 24 assignments of 4 participants only the true one puts all four on their maxima
    found = personal.identify(np.eye(4), seed=0)
    assert found == pytest.approx((1.0, 1 / 24, 1.0, 1 / 24))


def test_permutation_p_is_that_of_a_plain_loop():
    matrix = np.random.default_rng(3).normal(size=(5, 5))
    centred = personal.double_centre(matrix)
    orders = list(itertools.permutations(range(5)))
    margins = np.array([centred[range(5), order].sum() for order in orders])
    hits = np.array([(centred.argmax(1) == order).sum() for order in orders])
    found = personal.identify(matrix, seed=0)
    assert found.margin_p == pytest.approx(np.mean(margins >= margins[0] - 1e-12))
    assert found.accuracy_p == pytest.approx(np.mean(hits >= hits[0]))


@pytest.mark.parametrize("participants", [6, 12])
def test_planted_persons_are_found(participants):
    matrix = np.random.default_rng(4).normal(size=(participants, participants)) + 4 * np.eye(participants)
    found = personal.identify(matrix, seed=0)
    assert found.accuracy >= 0.8
    assert found.margin > 2
    assert found.accuracy_p < 0.01
    assert found.margin_p < 0.01


@pytest.mark.parametrize("main_effects", [0, 10])
def test_nothing_is_found_where_there_is_nothing(main_effects):
    random = np.random.default_rng(5)
    matrices = random.normal(size=(2000, 6, 6))
    matrices += main_effects * (random.normal(size=(2000, 6, 1)) + random.normal(size=(2000, 1, 6)))
    found = personal.identify(matrices, seed=0)
    centred = personal.double_centre(matrices)
    assert_calibrated(found.margin_p, np.floor(0.05 * 720) / 720)
    assert_calibrated(found.accuracy_p, reachable_level(personal.row_maxima(centred[:100])))
    assert found.margin.mean() == pytest.approx(0, abs=0.03)
    assert found.accuracy.mean() == pytest.approx(1 / 6, abs=0.02)


def test_nothing_is_found_with_random_permutations(monkeypatch):
    monkeypatch.setattr(personal, "RANDOM_PERMUTATIONS", 400)
    matrices = np.random.default_rng(6).normal(size=(2000, 9, 9))
    found = personal.identify(matrices, seed=1)
    assert_calibrated(found.margin_p, 0.05)
    assert found.accuracy_p.min() >= 1 / 400


def test_many_matrices_are_as_one_by_one():
    matrices = np.random.default_rng(7).normal(size=(2, 3, 4, 4))
    together = personal.identify(matrices, seed=0)
    assert together.margin_p.shape == (2, 3)
    np.testing.assert_allclose([field[1, 2] for field in together], personal.identify(matrices[1, 2], seed=0))


def test_ranks_by_hand():
    np.testing.assert_allclose(personal.ranks(BY_HAND).diagonal(), 1)
    assert personal.mean_rank(BY_HAND) == 1
    # double-centred, the rows are (0.5, -0.5) twice over
    np.testing.assert_allclose(personal.ranks(np.array([[3.0, 1.0], [1.0, 1.0]])), [[1, 2], [2, 1]])
    np.testing.assert_allclose(personal.ranks(np.zeros((2, 2))), 1.5)


def test_margins_of_participants_are_own_minus_others():
    centred = personal.double_centre(BY_HAND)
    off = (centred.sum(1) - centred.diagonal()) / 2
    np.testing.assert_allclose(personal.margins(BY_HAND), centred.diagonal() - off)
    assert personal.margins(BY_HAND).mean() == pytest.approx(personal.margin(BY_HAND))


def test_corrected_margin_p_is_that_of_a_plain_loop():
    matrices = np.random.default_rng(9).normal(size=(3, 4, 4))
    orders = list(itertools.permutations(range(4)))
    sums = np.array([[one[range(4), order].sum() for one in personal.double_centre(matrices)] for order in orders])
    expected = [np.mean(sums.max(1) >= own - 1e-12) for own in sums[0]]
    np.testing.assert_allclose(personal.corrected_margin_p(matrices, seed=0), expected)


def test_margin_over_time_finds_nothing_where_there_is_nothing():
    matrices = np.random.default_rng(10).normal(size=(1000, 8, 5, 5)) + np.linspace(0, 3, 5)
    assert_calibrated(personal.corrected_margin_p(matrices, seed=0).min(-1), 0.05)


def test_margin_over_time_finds_the_time():
    matrices = np.random.default_rng(11).normal(size=(8, 5, 5))
    matrices[3] += 5 * np.eye(5)
    p = personal.corrected_margin_p(matrices, seed=0)
    assert p[3] <= 0.05
    assert (np.delete(p, 3) > 0.05).all()


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 1)])
def test_matrices_without_sense_are_refused(shape):
    with pytest.raises(ValueError, match="as many models as participants"):
        personal.identify(np.zeros(shape), seed=0)


def test_too_few_participants_for_any_p_are_refused():
    with pytest.raises(ValueError, match=r"3 participants have 6 assignments .* take the interval of the margin"):
        personal.identify(np.eye(3), seed=0)


def test_similarity_is_the_mean_after_onset():
    random = np.random.default_rng(8)
    times = np.array([-10.0, 0.0, 10.0, 20.0])
    rho = {name: Estimate(random.normal(size=(2, 4)), random.normal(size=(5, 2, 4))) for name in ("sub-02", "sub-01")}
    rho["group"] = rho["sub-01"]
    matrix = personal.similarity(Alignments(times, ("sub-01", "sub-02"), rho, np.ones((5, 2))))
    assert matrix.value[1, 0] == pytest.approx(rho["sub-02"].value[0, 2:].mean())
    np.testing.assert_allclose(matrix.resampled[:, 0, 1], rho["sub-01"].resampled[:, 1, 2:].mean(-1))


def test_a_missing_model_is_named():
    rho = {"sub-01": Estimate(np.zeros((2, 3)), np.zeros((5, 2, 3)))}
    with pytest.raises(ValueError, match="sub-02 has no personal model"):
        personal.similarity(Alignments(np.arange(3.0), ("sub-01", "sub-02"), rho, np.ones((5, 2))))


def test_table_is_valid(tmp_path):
    frame = personal.table(BY_HAND, ("sub-01", "sub-02", "sub-03"), source="personal")
    frame = frame.assign(**Independence(images=True, data=True, people=False).columns())
    tables.write(frame, tmp_path / "identification.parquet", "identification")
    found = tables.read(tmp_path / "identification.parquet", "identification")
    assert found.query("model == 'sub-02' and participant == 'sub-01'")["rho"].item() == 0.2
    assert found.groupby("model")["centred"].sum().abs().max() < 1e-12
