"""Which pictures a simulated study has, and what each is used for."""

from __future__ import annotations

import pandas as pd

# Share of the pictures without MEG that decide when the training on behaviour stops; THINGS has 362 of 1806.
BEHAVIOR_VALIDATION = 0.2


def plan_stimuli(*, training: int, validation: int, test: int, behavior: int) -> pd.DataFrame:
    """Name the pictures and assign them to splits, once and for all.

    Parameters
    ----------
    training, validation, test
        Numbers of pictures that are shown in the MEG.
    behavior
        Number of pictures that only have a behavioural embedding.

    Returns
    -------
    DataFrame
        Columns stimulus, image_set (``recorded`` or ``behavior``) and split.
    """
    behavior_validation = round(BEHAVIOR_VALIDATION * behavior)
    parts = [
        ("recorded", "train", training),
        ("recorded", "validation", validation),
        ("recorded", "test", test),
        ("behavior", "train", behavior - behavior_validation),
        ("behavior", "validation", behavior_validation),
    ]
    rows = [(image_set, split) for image_set, split, count in parts for _ in range(count)]
    plan = pd.DataFrame(rows, columns=["image_set", "split"])
    plan.insert(0, "stimulus", [f"picture-{number:04d}" for number in range(1, len(plan) + 1)])
    return plan
