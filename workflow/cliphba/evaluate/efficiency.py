"""How results grow with the data that models are trained on.

Personal models all start from the study's own group model, which has seen everybody's whole training half: what grows
is the personal part. Images that decide when training stops are the same for every amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import IMAGES, PEOPLE_AND_IMAGES, Finding, Independence
from cliphba.evaluate.individuals import PERSONAL, identification
from cliphba.tables import COLUMNS

MINUTES, TRAINING_IMAGES = "minutes of recording", "training images"


class Amount(NamedTuple):
    """How much of what was trained on.

    Attributes
    ----------
    trained_on
        `MINUTES`, from the start to the end of each raw recording, mean over participants; or `TRAINING_IMAGES`.
    amount
        How many.
    """

    trained_on: str
    amount: float


def behavior(agreement: Estimate, independence: Independence) -> list[Finding]:
    """Agreement of a Behavior model with human judgements."""
    return [Finding("behavior_rho", "behavior", agreement, IMAGES, independence)]


def individuals(found: Alignments, independence: Independence, *, seed: int) -> list[Finding]:
    """How good personal models are, and how personal.

    Parameters
    ----------
    found
        Alignments of each personal model, named as its participant, and of "group".
    independence
        Of personal models.
    seed
        Of random assignments of participants to models, where not all are tried.

    Returns
    -------
    list of Finding
        Alignment with the own participant, its gain over the group model, identification.
    """
    own, group = found.own().map(found.area), found.rho["group"].map(found.area)
    means = {"own_alignment_auc": own, "own_alignment_gain": own - group}
    return [
        *(
            Finding(metric, PERSONAL, each.mean_over_participants(found.draws), PEOPLE_AND_IMAGES, independence)
            for metric, each in means.items()
        ),
        *identification(PERSONAL, found, independence, seed=seed),
    ]


def tabulate(found: Sequence[tuple[Amount, Sequence[Finding]]]) -> pd.DataFrame:
    """Tabulate what was found with each amount of data.

    Returns
    -------
    DataFrame
        Table of kind ``data_efficiency``. Intervals and p vary neither training images nor sessions nor the seed of
        training: each amount is one training.
    """
    rows = [{**amount._asdict(), **finding.row()} for amount, findings in found for finding in findings]
    frame = pd.DataFrame(rows)[list(COLUMNS["data_efficiency"])]
    return frame.sort_values(["trained_on", "amount"], kind="stable", ignore_index=True)
