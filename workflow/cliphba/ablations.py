"""What each ingredient of the method is worth: the same study with one of them left out or exchanged at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cliphba import stages
from cliphba.config import Study, as_published, changed

LORA = {"adapter": {"method": "lora"}}
NO_STAGE_2 = {"stage_2_epochs": 0}

# What is changed against the study as it is configured.
CHANGES: dict[str, dict[str, Any]] = {
    "no preoptimised reweighting": {"protocol": {"initial_reweighting": "last_block"}},
    "no stage 2": {"group_training": NO_STAGE_2, "individual_training": NO_STAGE_2},
    "no noise": {"protocol": {"noise_scale": 0}},
    "published noise": {"protocol": {"noise_scale": 1}},
    "individuals start from behavior": {"protocol": {"individual_starts_from": "behavior"}},
    "lora": {"behavior_training": LORA, "group_training": LORA, "individual_training": LORA},
}


def variants(study: Study) -> dict[str, Study]:
    """Give every ablation that differs from the study, by a name that can stand in a path."""
    found = {name: changed(study, changes) for name, changes in CHANGES.items()}
    found["published protocol"] = as_published(study)
    return {name.replace(" ", "_"): variant for name, variant in found.items() if departures(study, variant)}


def departures(study: Study, variant: Study) -> set[str]:
    """Name the stages of a variant that are not those of the study; all others need not be trained again."""
    begun_from = "group" if variant.protocol.individual_starts_from == "group" else "behavior"
    # each stage: what it takes from a study, and the stages it builds upon
    chain: dict[str, tuple[Callable[[Study], dict[str, Any]], set[str]]] = {
        "behavior": (stages.behavior, set()),
        "initial": (stages.initial_reweighting, {"behavior"}),
        "group_stage_1": (partial(stages.reweighting, level="group"), {"behavior", "initial"}),
        "group": (partial(stages.adapters, level="group"), {"group_stage_1"}),
        "individual_stage_1": (partial(stages.reweighting, level="individual"), {begun_from, "initial"}),
        "individual": (partial(stages.adapters, level="individual"), {"individual_stage_1"}),
    }
    departed: set[str] = set()
    for stage, (taken, needs) in chain.items():
        if taken(study) != taken(variant) or departed & needs:
            departed.add(stage)
    return departed
