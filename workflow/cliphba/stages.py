"""What each stage of training takes from a study: nothing else makes it run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cliphba.config import Study

Level = Literal["group", "individual"]

# Raised by hand when the code of a stage changes its results: edits of the library alone rerun nothing.
VERSIONS = {"pretrain": 1, "behavior": 2, "initial": 2, "reweighting": 2, "adapters": 2}
STAGE_2_ONLY = {"adapter_learning_rate", "stage_2_epochs", "stage_2_patience"}
EVERY_DYNAMIC_STAGE = {"block_weights", "times", "noise_scale", "noise_at_evaluation", "window_ms", "batches"}


@dataclass(frozen=True)
class Recordings:
    """What a level is trained on.

    Attributes
    ----------
    participants
        Whose recordings.
    half
        Which of their sessions: "train", the training half, or its first few ("train-2"), or "all".
    """

    participants: tuple[str, ...]
    half: str


def recordings(study: Study, level: Level) -> Recordings:
    """Whose recordings a level is trained on, and which sessions of them."""
    group = level == "group"
    first = (study.group_training if group else study.individual_training).sessions
    half = study.training_half
    everything = first in (None, len(study.halves[half]))
    people = study.group_participants if group else study.participants
    return Recordings(tuple(people), half if everything else f"{half}-{first}")


def behavior(study: Study) -> dict[str, Any]:
    """Fine-tuning to judgements."""
    return {
        "training": study.behavior_training.model_dump(mode="json", exclude_none=True),
        "images": study.protocol.images,
        "statistics_from": study.protocol.statistics_from,
        **_common(study, "behavior", seed="tune_behavior"),
    }


def initial_reweighting(study: Study) -> dict[str, Any]:
    """Weights of the blocks before any training."""
    return {
        "reweighting": study.reweighting.model_dump(mode="json"),
        # of the group alone: the images that it is not trained on do not enter these, either
        **study.group_training.model_dump(include={"images"}, exclude_none=True),
        "starts_from": study.protocol.group_starts_from,
        "protocol": study.protocol.model_dump(include={"initial_reweighting", "times"}),
        **_common(study, "initial", seed="initialise_reweighting"),
    }


def reweighting(study: Study, level: Level) -> dict[str, Any]:
    """Stage 1 of the training to MEG."""
    return {
        "training": _training(study, level, without=STAGE_2_ONLY),
        "starts_from": study.protocol.model_dump()[f"{level}_starts_from"],
        "protocol": study.protocol.model_dump(include=EVERY_DYNAMIC_STAGE | {"statistics_from"}),
        # the same for all participants: what differs between personal models comes from their data
        **_common(study, "reweighting", seed=f"tune_{level}"),
    }


def adapters(study: Study, level: Level) -> dict[str, Any]:
    """Stage 2 of the training to MEG."""
    return {
        "training": _training(study, level, without=set()),
        "protocol": study.protocol.model_dump(include=EVERY_DYNAMIC_STAGE),
        **_common(study, "adapters", seed=f"tune_{level}"),
    }


def _training(study: Study, level: Level, *, without: set[str]) -> dict[str, Any]:
    section = study.group_training if level == "group" else study.individual_training
    # sessions decide which files are read; a limit that is not set is left out, as it was before there were any
    return section.model_dump(mode="json", exclude=without | {"sessions"}, exclude_none=True)


def _common(study: Study, stage: str, *, seed: str) -> dict[str, Any]:
    return {
        "compute": study.compute.model_dump(mode="json"),
        "seed": study.training_seed_of(seed),
        "version": VERSIONS[stage],
    }
