"""What each ingredient of the method is worth: the same study with one of them left out or exchanged at a time."""

from __future__ import annotations

from typing import Any

from cliphba.config import Study, as_published, changed
from cliphba.variants import departures

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
    # the yardstick for all others: how far results hang on the seed of training
    "second training": {"replicate": 1},
    "third training": {"replicate": 2},
}


def variants(study: Study) -> dict[str, Study]:
    """Give every ablation that differs from the study, by a name that can stand in a path."""
    found = {name: changed(study, changes) for name, changes in CHANGES.items()}
    found["published protocol"] = as_published(study)
    return {name.replace(" ", "_"): variant for name, variant in found.items() if departures(study, variant)}
