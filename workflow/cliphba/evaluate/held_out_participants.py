"""Whether the group model holds for people whom it has never seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from cliphba.evaluate import alignment, significance
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import IMAGES, PEOPLE_AND_IMAGES, Finding, Independence, Procedure
from cliphba.evaluate.group import BEHAVIOR, CLIP, GROUP
from cliphba.evaluate.significance import Question
from cliphba.tables import COLUMNS, RDMSeries

HELD_OUT = "held-out group"
OTHERS = (BEHAVIOR, CLIP, GROUP)


class _Quantity(NamedTuple):
    """What is reported: of which model, less which other one, and whom either was trained on."""

    model: str
    against: str | None
    seen: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.model} - {self.against}" if self.against else self.model


def compare(
    models: Mapping[str, RDMSeries],
    measured: Mapping[str, RDMSeries],
    procedure: Procedure,
    *,
    group_participants: Collection[str],
    images_held_out: bool,
) -> pd.DataFrame:
    """Set the group models that were trained without a participant, each on that participant, against other models.

    Parameters
    ----------
    models
        `CLIP`, `BEHAVIOR`, `GROUP` and, named as the participant, the group model without each.
    measured
        Participant to measured RDMs.
    procedure
        How RDMs are compared, and how intervals and p are made.
    group_participants
        Whose recordings `GROUP` was trained on.
    images_held_out
        Whether the images compared on had no part in any training.

    Returns
    -------
    DataFrame
        Table of kind ``held_out_participants``: area under the alignment of each model, and by how much that of the
        group model that has not seen the participant exceeds it. Rows without a participant are means over
        participants. Neither intervals nor p vary the seed of training.
    """
    found = alignment.measure(models, measured, **procedure.bootstrap())
    rows = [
        finding.row()
        for quantity in _quantities(frozenset(group_participants))
        for finding in _findings(quantity, found, models, measured, procedure, images_held_out=images_held_out)
    ]
    frame = pd.DataFrame(rows).assign(images=len(models[GROUP].stimuli), people=len(measured))
    return frame[list(COLUMNS["held_out_participants"])]


def _quantities(group_participants: frozenset[str]) -> Iterator[_Quantity]:
    yield _Quantity(HELD_OUT, None, frozenset())
    for name in OTHERS:
        seen = group_participants if name == GROUP else frozenset()
        yield _Quantity(name, None, seen)
        yield _Quantity(HELD_OUT, name, seen)


def _findings(
    quantity: _Quantity,
    found: Alignments,
    models: Mapping[str, RDMSeries],
    measured: Mapping[str, RDMSeries],
    procedure: Procedure,
    *,
    images_held_out: bool,
) -> Iterator[Finding]:
    """Give a quantity for each participant, and its mean."""
    metric = "alignment_auc_difference" if quantity.against else "alignment_auc"
    curves = _curves(found, quantity.model)
    if quantity.against:
        curves = curves - _curves(found, quantity.against)
    areas = curves.map(found.area)
    for index, name in enumerate(found.participants):
        independence = Independence(images=images_held_out, data=True, people=name not in quantity.seen)
        yield Finding(metric, quantity.name, areas[index], IMAGES, independence, name)
    other = models[quantity.against] if quantity.against else None
    questions = [
        Question(models[name if quantity.model == HELD_OUT else quantity.model], [one], other)
        for name, one in measured.items()
    ]
    strangers = quantity.seen.isdisjoint(found.participants)
    yield Finding(
        metric,
        quantity.name,
        areas.mean_over_participants(found.draws),
        PEOPLE_AND_IMAGES,
        Independence(images=images_held_out, data=True, people=strangers),
        **significance.of_mean(curves.value, questions, procedure).columns(),
    )


def _curves(found: Alignments, model: str) -> Estimate:
    """(participants, times)."""
    return found.own() if model == HELD_OUT else found.rho[model]
