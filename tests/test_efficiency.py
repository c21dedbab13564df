"""How results grow with the data: what is reported of each amount, and that noise grows nothing."""

import numpy as np
import pytest

from cliphba.evaluate import efficiency, personal
from cliphba.evaluate.alignment import measure
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.efficiency import MINUTES, TRAINING_IMAGES, Amount
from cliphba.evaluate.findings import Independence
from cliphba.tables import COLUMNS, RDMs

TIMES = np.array([-20.0, 20.0, 40.0])
STIMULI = tuple(f"picture-{number}" for number in range(12))
PAIRS = len(STIMULI) * (len(STIMULI) - 1) // 2
TRAINED = Independence(images=True, data=True, people=False)


def aligned(participants, *, own, noise=0.3):
    """Models that know what all share, and to some degree what is their own person's."""
    truth = np.random.default_rng(0)
    shared = truth.random(PAIRS)
    different = {name: truth.random(PAIRS) for name in participants}

    def rdms(values):
        noisy = values + noise * truth.random((len(TIMES), PAIRS))
        return RDMs(TIMES, noisy.astype(np.float32), STIMULI)

    targets = {name: rdms(shared + different[name]) for name in participants}
    models = {name: rdms(shared + own * different[name]) for name in participants}
    return measure({"group": rdms(shared), **models}, targets, resamples=50, seed=0)


PEOPLE = [f"sub-{number:02d}" for number in range(1, 7)]


def by_metric(found):
    return {finding.metric: finding for finding in found}


def test_personal_models_are_reported_by_their_own_alignment_and_its_gain():
    alignments = aligned(PEOPLE, own=1)
    found = by_metric(efficiency.individuals(alignments, TRAINED, seed=0))
    own, group = alignments.own().value, alignments.rho["group"].value
    area = [alignments.area(rho).mean() for rho in (own, group)]
    assert found["own_alignment_auc"].estimate.value == pytest.approx(area[0])
    assert found["own_alignment_gain"].estimate.value == pytest.approx(area[0] - area[1])
    assert set(found) == {
        "own_alignment_auc",
        "own_alignment_gain",
        "identification_accuracy",
        "identification_margin",
        "identification_rank",
    }


def test_identification_has_the_p_of_its_permutation_test():
    alignments = aligned(PEOPLE, own=1)
    found = by_metric(efficiency.individuals(alignments, TRAINED, seed=0))
    tested = personal.identify(personal.similarity(alignments).value, seed=0)
    assert found["identification_accuracy"].estimate.value == 1
    assert found["identification_accuracy"].p == tested.accuracy_p < 0.05
    assert found["identification_margin"].p == tested.margin_p < 0.05
    assert np.isnan(found["own_alignment_auc"].p)


def test_models_that_learnt_nothing_of_their_person_gain_and_identify_nothing():
    found = by_metric(efficiency.individuals(aligned(PEOPLE, own=0), TRAINED, seed=0))
    low, high = found["own_alignment_gain"].estimate.interval()
    assert low < 0 < high
    assert found["identification_margin"].p > 0.05


def test_three_participants_are_too_few_for_a_p():
    for finding in efficiency.individuals(aligned(PEOPLE[:3], own=1), TRAINED, seed=0):
        assert np.isnan(finding.p)
        assert finding.test is None


def test_every_amount_has_its_rows():
    alignments = aligned(PEOPLE[:3], own=1)
    agreement = Estimate(np.array(0.6), np.linspace(0.5, 0.7, 50))
    table = efficiency.tabulate(
        [
            (Amount(MINUTES, 12.5), efficiency.individuals(alignments, TRAINED, seed=0)),
            (Amount(MINUTES, 25.0), efficiency.individuals(alignments, TRAINED, seed=0)),
            (Amount(TRAINING_IMAGES, 86), efficiency.behavior(agreement, TRAINED)),
        ]
    )
    assert list(table.columns) == list(COLUMNS["data_efficiency"])
    assert table.groupby(["trained_on", "amount"]).size().to_list() == [5, 5, 1]
    behavior = table[table["model"] == "behavior"].iloc[0]
    assert (behavior["metric"], behavior["value"]) == ("behavior_rho", 0.6)
    assert behavior["low"] < 0.6 < behavior["high"]
    assert not table["independent_people"].any()
