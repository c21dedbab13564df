"""What is changed, what is trained again for it, and how the table says what it is worth."""

from dataclasses import replace

import numpy as np
import pytest

from cliphba import ablations, stages, studies
from cliphba.config import changed
from cliphba.evaluate.ablation import AS_CONFIGURED, Measured, compare
from cliphba.evaluate.alignment import measure
from cliphba.evaluate.bootstrap import Estimate
from cliphba.tables import RDMs
from cliphba.variants import departures

VARIANTS = ablations.variants(studies.DEMO)
DYNAMIC = {"group_stage_1", "group", "individual_stage_1", "individual"}


def test_every_variant_differs_from_the_study_in_what_its_name_says():
    for name, variant in VARIANTS.items():
        assert variant != studies.DEMO, name
        assert variant.participants == studies.DEMO.participants
        assert variant.simulation == studies.DEMO.simulation
    assert VARIANTS["no_stage_2"].individual_training.stage_2_epochs == 0
    assert VARIANTS["lora"].behavior_training.adapter.method == "lora"
    assert VARIANTS["lora"].behavior_training.adapter.rank == studies.DEMO.behavior_training.adapter.rank
    assert VARIANTS["published_protocol"].protocol.name == "published"


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("no_preoptimised_reweighting", {"initial"} | DYNAMIC),
        # stage 1 of the group is the same, and all that follows from its stage 2 is not
        ("no_stage_2", {"group", "individual_stage_1", "individual"}),
        ("no_noise", DYNAMIC),
        ("individuals_start_from_behavior", {"individual_stage_1", "individual"}),
        ("lora", {"behavior", "initial"} | DYNAMIC),
        ("published_protocol", {"behavior", "initial"} | DYNAMIC),
        ("second_training", {"behavior", "initial"} | DYNAMIC),
    ],
)
def test_only_what_a_change_reaches_is_trained_again(name, stages):
    assert departures(studies.DEMO, VARIANTS[name]) == stages


def test_no_change_reaches_nothing():
    assert departures(studies.DEMO, studies.DEMO) == set()


def test_repeated_trainings_differ_in_the_seeds_of_training_alone():
    """What all other rows are to be read against."""
    repeated = [VARIANTS["second_training"], VARIANTS["third_training"]]
    assert [variant.replicate for variant in repeated] == [1, 2]
    assert all(changed(variant, {"replicate": 0}) == studies.DEMO for variant in repeated)
    for stage in (stages.behavior, stages.initial_reweighting):
        taken = [stage(study) for study in (studies.DEMO, *repeated)]
        assert len({one.pop("seed") for one in taken}) == 3
        assert taken[0] == taken[1] == taken[2]


TIMES = np.array([-20.0, 20.0, 40.0])
STIMULI = tuple("abcdefgh")


def measured(noise, *, seed=0):
    """Models that see what their participants see, but for noise."""
    truth, random = np.random.default_rng(0), np.random.default_rng(seed + 1)
    pairs = len(STIMULI) * (len(STIMULI) - 1) // 2
    group = truth.random((len(TIMES), pairs))
    own = {name: group + 0.7 * truth.random((len(TIMES), pairs)) for name in ("sub-01", "sub-02", "sub-03")}
    targets = {name: RDMs(TIMES, values.astype(np.float32), STIMULI) for name, values in own.items()}
    seen = {"group": group, **own}
    models = {
        name: RDMs(TIMES, (values + noise * random.random(values.shape)).astype(np.float32), STIMULI)
        for name, values in seen.items()
    }
    agreement = Estimate(np.array(0.8 - noise / 10), np.linspace(0.7, 0.9, 50) - noise / 10)
    return Measured(agreement, measure(models, targets, resamples=50, seed=0), images_held_out=True)


def test_worth_is_the_reference_minus_the_variant_paired():
    good, bad = measured(0.0), measured(3.0)
    table = compare(good, {"worse": bad}).set_index(["variant", "metric"])
    for metric, here, there in (
        ("group_alignment_auc", good.models, bad.models),
        ("own_alignment_auc", good.models, bad.models),
    ):
        area = [
            each.area((each.rho["group"] if metric.startswith("group") else each.own()).value).mean()
            for each in (here, there)
        ]
        row = table.loc[("worse", metric)]
        assert row["value"] == pytest.approx(area[1])
        assert row["worth"] == pytest.approx(area[0] - area[1])
        assert 0 < row["worth_low"] < row["worth"] < row["worth_high"]
    assert table.loc[("worse", "behavior_rho"), "worth"] == pytest.approx(0.3)
    # the same resamples: a constant difference has no interval
    assert table.loc[("worse", "behavior_rho"), "worth_low"] == pytest.approx(0.3)


def test_the_study_itself_is_worth_nothing_more():
    table = compare(measured(0.0), {"worse": measured(3.0)}).set_index("variant")
    assert table.loc[AS_CONFIGURED, "worth"].isna().all()
    assert table.loc[AS_CONFIGURED, "value"].notna().all()


def test_what_a_change_does_not_reach_is_left_out():
    good, bad = measured(0.0), measured(3.0)
    table = compare(good, {"other behaviour": replace(good, behavior=bad.behavior)})
    assert set(table.loc[table["variant"] == "other behaviour", "metric"]) == {"behavior_rho"}


def test_a_change_that_does_nothing_is_worth_nothing():
    """Two models of equal quality: the interval of the difference holds zero."""
    table = compare(measured(0.5, seed=1), {"other seed": measured(0.5, seed=2)})
    found = table[(table["variant"] == "other seed") & (table["metric"] != "behavior_rho")]
    assert len(found) == 3
    assert (found["worth_low"] < 0).all()
    assert (found["worth_high"] > 0).all()


def test_rows_say_whether_training_has_seen_the_images():
    """The published protocol measures its curves on all images, those it is evaluated on among them."""
    good = measured(0.0)
    table = compare(good, {"published": replace(measured(3.0), images_held_out=False)})
    assert table["independent_data"].all()
    assert not table["independent_people"].any()
    assert table["independent_images"].equals(table["variant"] == AS_CONFIGURED)
