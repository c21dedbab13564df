"""Variants of a study, which differ from it in a few settings: with less data, with one participant fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from cliphba import stages
from cliphba.config import Study, changed
from cliphba.simulate.stimuli import plan_stimuli

# Shares of the images that are trained on; all of them are the study itself.
MEG_SHARES = (1 / 4, 1 / 2, 3 / 4)
BEHAVIOR_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)

# Fewer sessions cannot be cross-validated where a session is a fold, fewer images have no RDM to be correlated.
FEWEST_SESSIONS, FEWEST_IMAGES = 2, 4
# A group is of two at least.
FEWEST_OF_A_GROUP = 2


def departures(study: Study, variant: Study) -> set[str]:
    """Name the stages of a variant that are not those of the study; all others need not be trained again."""
    begun_from = "group" if variant.protocol.individual_starts_from == "group" else "behavior"
    # each stage: what it takes from a study, and the stages it builds upon
    chain: dict[str, tuple[Callable[[Study], Any], set[str]]] = {
        # a model of another study is what it is
        "behavior": (stages.behavior if study.learns_behavior else lambda _: None, set()),
        "initial": (lambda of: (stages.initial_reweighting(of), stages.recordings(of, "group")), {"behavior"}),
        "group_stage_1": (
            lambda of: (stages.reweighting(of, "group"), stages.recordings(of, "group")),
            {"behavior", "initial"},
        ),
        "group": (lambda of: stages.adapters(of, "group"), {"group_stage_1"}),
        "individual_stage_1": (
            lambda of: (stages.reweighting(of, "individual"), stages.recordings(of, "individual")),
            {begun_from, "initial"},
        ),
        "individual": (lambda of: stages.adapters(of, "individual"), {"individual_stage_1"}),
    }
    departed: set[str] = set()
    for stage, (taken, needs) in chain.items():
        if taken(study) != taken(variant) or departed & needs:
            departed.add(stage)
    return departed


class Amounts(NamedTuple):
    """How much models are trained on.

    Attributes
    ----------
    sessions, images
        Of each personal model.
    behavior_images
        Of the Behavior model.
    """

    sessions: int
    images: int
    behavior_images: int


def amounts(study: Study) -> Amounts:
    """How much a study's models are trained on."""
    images, personal = study.images, study.individual_training
    plan = plan_stimuli(
        training=images.training, validation=images.validation, test=images.test, behavior=images.behavior
    )
    return Amounts(
        sessions=personal.sessions or len(study.halves[study.training_half]),
        images=personal.images or images.training,
        behavior_images=study.behavior_training.images or int((plan["split"] == "train").sum()),
    )


def fewer_sessions(study: Study) -> dict[str, Study]:
    """Personal models from fewer sessions, by names that can stand in a path; the group model is the study's own."""
    return {
        f"sessions_{sessions}": changed(study, {"individual_training": {"sessions": sessions}})
        for sessions in range(FEWEST_SESSIONS, amounts(study).sessions)
    }


def fewer_images(study: Study) -> dict[str, Study]:
    """Personal models from fewer training images; the group model is the study's own."""
    return {
        f"images_{images}": changed(study, {"individual_training": {"images": images}})
        for images in _parts(amounts(study).images, MEG_SHARES)
    }


def fewer_behavior_images(study: Study) -> dict[str, Study]:
    """Behavior models from fewer training images."""
    if not study.learns_behavior:
        return {}
    return {
        f"behavior_images_{images}": changed(study, {"behavior_training": {"images": images}})
        for images in _parts(amounts(study).behavior_images, BEHAVIOR_SHARES)
    }


def without_each_participant(study: Study) -> dict[str, Study]:
    """Group models from those of the study's own group but one; none of a group of two."""
    if len(study.group_participants) <= FEWEST_OF_A_GROUP:
        return {}
    held_out = study.held_out_participants
    return {
        # of those whom the study itself holds out, its own group model knows nothing
        f"without_{one}": changed(study, {"held_out_participants": [*held_out, *({one} - set(held_out))]})
        for one in study.participants
    }


def _parts(available: int, shares: Iterable[float]) -> list[int]:
    parts = [round(share * available) for share in shares]
    return [part for part in parts if part >= FEWEST_IMAGES]
