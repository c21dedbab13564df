"""Less data, one participant fewer: what is changed, what is trained again for it, on whose recordings."""

import pytest

from cliphba import stages, studies, variants
from cliphba.config import changed
from cliphba.stages import Recordings

DEMO = studies.DEMO
INDIVIDUAL = {"individual_stage_1", "individual"}
MEG = {"initial", "group_stage_1", "group"} | INDIVIDUAL


def test_fewer_sessions_go_from_two_to_all_but_one():
    found = variants.fewer_sessions(DEMO)
    assert list(found) == ["sessions_2", "sessions_3"]
    assert [variants.amounts(variant).sessions for variant in found.values()] == [2, 3]
    assert variants.amounts(DEMO).sessions == 4


def test_fewer_images_are_quarters():
    found = variants.fewer_images(DEMO)
    assert [variants.amounts(variant).images for variant in found.values()] == [46, 92, 138]
    assert variants.amounts(DEMO).images == 184


def test_behavior_trains_on_recorded_and_further_images():
    found = variants.fewer_behavior_images(DEMO)
    # 184 recorded ones, and four fifths of 1500
    assert variants.amounts(DEMO).behavior_images == 1384
    assert [variants.amounts(variant).behavior_images for variant in found.values()] == [86, 173, 346, 692]


def test_amounts_of_a_study_with_less_data_are_parts_of_what_it_has():
    less = changed(DEMO, {"individual_training": {"images": 20, "sessions": 3}, "behavior_training": {"images": 32}})
    assert list(variants.fewer_images(less)) == ["images_5", "images_10", "images_15"]
    assert list(variants.fewer_sessions(less)) == ["sessions_2"]
    # fewer than four have no RDM to speak of
    assert list(variants.fewer_behavior_images(less)) == [
        "behavior_images_4",
        "behavior_images_8",
        "behavior_images_16",
    ]


@pytest.mark.parametrize("family", [variants.fewer_sessions, variants.fewer_images])
def test_fewer_recordings_reach_personal_models_alone(family):
    for variant in family(DEMO).values():
        assert variants.departures(DEMO, variant) == INDIVIDUAL


def test_people_whom_the_study_holds_out_stay_out():
    study = changed(DEMO, {"held_out_participants": ["sub-06"]})
    found = variants.without_each_participant(study)
    assert found["without_sub-02"].held_out_participants == ["sub-06", "sub-02"]
    # the study's own group model knows nothing of them
    assert variants.departures(study, found["without_sub-06"]) == set()


def test_nobody_can_be_left_out_of_a_group_of_two():
    pair = {"held_out_participants": ["sub-03", "sub-04", "sub-05", "sub-06"]}
    assert variants.without_each_participant(changed(DEMO, pair)) == {}


def test_without_a_participant_everything_but_behavior_is_trained_again():
    found = variants.without_each_participant(DEMO)
    assert list(found) == [f"without_{name}" for name in DEMO.participants]
    for name, variant in found.items():
        assert variants.departures(DEMO, variant) == MEG
        assert variant.group_participants == [other for other in DEMO.participants if other not in name]
        assert variant.participants == DEMO.participants


def test_group_and_personal_models_have_their_own_recordings():
    study = changed(
        DEMO,
        {
            "held_out_participants": ["sub-02"],
            "group_training": {"sessions": 3},
            "individual_training": {"sessions": 2},
        },
    )
    assert stages.recordings(study, "group") == Recordings(
        ("sub-01", "sub-03", "sub-04", "sub-05", "sub-06"), "train-3"
    )
    assert stages.recordings(study, "individual") == Recordings(tuple(DEMO.participants), "train-2")
    assert stages.recordings(DEMO, "group") == Recordings(tuple(DEMO.participants), "train")


def test_all_sessions_and_all_images_said_so_are_the_study_itself():
    everything = changed(DEMO, {"individual_training": {"sessions": 4}, "group_training": {"sessions": 4}})
    assert variants.departures(DEMO, everything) == set()


def test_a_limit_that_is_not_set_enters_no_stage():
    """Or studies that were finished before there were any would be trained again."""
    for level in ("group", "individual"):
        for stage in (stages.reweighting, stages.adapters):
            assert not {"images", "sessions"} & set(stage(DEMO, level)["training"])
    assert "images" not in stages.behavior(DEMO)["training"]
    assert "images" not in stages.initial_reweighting(DEMO)


def test_images_of_the_group_limit_its_initial_reweighting_too():
    variant = changed(DEMO, {"group_training": {"images": 40}})
    assert stages.initial_reweighting(variant)["images"] == 40
    assert stages.reweighting(variant, "group")["training"]["images"] == 40
    assert variants.departures(DEMO, variant) == MEG


def test_seeds_of_the_first_training_are_those_from_before_there_were_replicates():
    assert stages.behavior(DEMO)["seed"] == DEMO.seed_of("tune_behavior")
    assert stages.reweighting(DEMO, "group")["seed"] == DEMO.seed_of("tune_group")
    # other steps than training have no replicates
    assert changed(DEMO, {"replicate": 1}).seed_of("evaluate") == DEMO.seed_of("evaluate")
