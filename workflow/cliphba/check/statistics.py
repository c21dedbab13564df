"""What cannot be fitted or tested with so few images or people."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cliphba.check.findings import Problem
from cliphba.config import Study
from cliphba.evaluate.personal import LEAST_PARTICIPANTS
from cliphba.evaluate.significance import LEAST_PEOPLE

LEAST_IMAGES_OF_A_FOLD = 3


def judge(study: Study) -> Iterator[Problem]:
    """Find weights that cannot be cross-validated, and warn of tests that come to nothing."""
    yield from _judge_folds(study)
    images = study.images.test if study.protocol.evaluated_on == "held_out" else study.images.training
    people = len(study.participants)
    if math.factorial(images) < study.evaluation.permutations:
        yield Problem(
            "simulation.test_images" if study.data is None else "data.stimuli.test_images",
            f"{images} images can be relabelled in {images}! = {math.factorial(images)} ways only: no p over images "
            f"is below {1 / math.factorial(images):.2g}, before any correction",
            "hold out more images, better dozens of them",
            fatal=False,
        )
    if people < LEAST_PEOPLE:
        tests = ["that alignment holds for other people (p over people)"]
        if people < LEAST_PARTICIPANTS:
            tests += ["that people are identified by their models", "that they differ as their brains do"]
        yield Problem(
            "participants",
            f"{people} people are too few to test {', '.join(tests)}: these p stay empty",
            f"go on without them, or take {LEAST_PEOPLE} people or more, the fewest for all tests",
            fatal=False,
        )


def _judge_folds(study: Study) -> Iterator[Problem]:
    training, folds = study.group_training.images or study.images.training, study.reweighting
    if study.protocol.initial_reweighting == "optimised" and folds.smallest_fold(training) < LEAST_IMAGES_OF_A_FOLD:
        yield Problem(
            "reweighting",
            f"{training} training images make {folds.outer_folds} outer and {folds.inner_folds} inner folds of fewer "
            f"than {LEAST_IMAGES_OF_A_FOLD} images, which have no RDM to be correlated",
            "set outer_folds and inner_folds to 2, train on more images, or set protocol.initial_reweighting to "
            "last_block",
        )
