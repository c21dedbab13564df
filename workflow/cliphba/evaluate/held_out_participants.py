"""Whether the group model holds for people whom it has never seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from cliphba.evaluate import permutation, significance
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import IMAGES, PEOPLE_AND_IMAGES, SIGNS, Finding, Independence
from cliphba.tables import COLUMNS

HELD_OUT, GROUP = "held-out group", "group"
OTHERS = ("behavior", "clip", GROUP)


class _Quantity(NamedTuple):
    """What is reported of a model: (participants,), and whom the model was trained on."""

    metric: str
    model: str
    each: Estimate
    seen: frozenset[str]


def compare(
    found: Alignments, *, group_participants: Collection[str], images_held_out: bool, seed: int
) -> pd.DataFrame:
    """Set the group models that were trained without a participant, each on that participant, against other models.

    Parameters
    ----------
    found
        Alignments of "clip", "behavior", "group" and, named as the participant, of the group model without each.
    group_participants
        Whose recordings "group" was trained on.
    images_held_out
        Whether the images compared on had no part in any training.
    seed
        Of random sign flips, where there are too many participants to try all.

    Returns
    -------
    DataFrame
        Table of kind ``held_out_participants``: area under the alignment of each model, and by how much that of the
        group model that has not seen the participant exceeds it. Rows without a participant are means over
        participants, with a p by sign flips if there are enough of them. Neither intervals nor p vary the
        seed of training.
    """
    findings = [
        finding
        for quantity in _quantities(found, frozenset(group_participants))
        for finding in _findings(quantity, found, images_held_out=images_held_out, seed=seed)
    ]
    return pd.DataFrame([finding.row() for finding in findings])[list(COLUMNS["held_out_participants"])]


def _quantities(found: Alignments, group_participants: frozenset[str]) -> Iterator[_Quantity]:
    held_out = found.own().map(found.area)
    yield _Quantity("alignment_auc", HELD_OUT, held_out, frozenset())
    for name in OTHERS:
        area = found.rho[name].map(found.area)
        seen = group_participants if name == GROUP else frozenset()
        yield _Quantity("alignment_auc", name, area, seen)
        yield _Quantity("alignment_auc_difference", f"{HELD_OUT} - {name}", held_out - area, seen)


def _findings(quantity: _Quantity, found: Alignments, *, images_held_out: bool, seed: int) -> Iterator[Finding]:
    """Give a quantity for each participant, and its mean."""
    metric, model, each, seen = quantity
    for index, name in enumerate(found.participants):
        independence = Independence(images=images_held_out, data=True, people=name not in seen)
        yield Finding(metric, model, each[index], IMAGES, independence, name)
    enough = len(found.participants) >= significance.LEAST_PEOPLE
    yield Finding(
        metric,
        model,
        each.mean_over_participants(found.draws),
        PEOPLE_AND_IMAGES,
        Independence(images=images_held_out, data=True, people=seen.isdisjoint(found.participants)),
        p=float(permutation.sign_flip_p(each.value, seed=seed)) if enough else np.nan,
        test=SIGNS if enough else None,
    )
