"""What a change of the method is worth on data that no training saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from cliphba.evaluate import personal
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import Independence
from cliphba.tables import COLUMNS

AS_CONFIGURED = "as configured"
BEHAVIOR_RHO = "behavior_rho"
WORTH = ("worth", "worth_low", "worth_high")


@dataclass(frozen=True)
class Measured:
    """Evaluation of one way of running the method.

    Attributes
    ----------
    behavior
        Agreement of the Behavior model with human judgements; None: there are none.
    models
        Alignment of "group" and of each personal model, named as its participant.
    images_held_out
        Whether the images compared on had no part in any training.
    recordings_held_out
        Whether the recordings hadn't, either.
    """

    behavior: Estimate | None
    models: Alignments
    images_held_out: bool
    recordings_held_out: bool = True


def compare(reference: Measured, variants: Mapping[str, Measured]) -> pd.DataFrame:
    """Set ways of running the method against the one that is configured.

    Parameters
    ----------
    reference
        As configured.
    variants
        Each with something left out or exchanged, evaluated with the same resamples.

    Returns
    -------
    DataFrame
        Table of kind ``ablation``. ``worth`` is the reference minus the variant, paired: above zero, what was left
        out helps. Metrics that a change does not reach are left out. Intervals vary stimuli, and participants where
        there is a mean over them, but no seed of training.
    """
    configured = _quantities(reference).items()
    rows = [{**_begin(AS_CONFIGURED, metric, reference), **_describe(own)} for metric, own in configured]
    for variant, measured in variants.items():
        worth = _quantities(reference, measured)
        rows += [
            {**_begin(variant, metric, measured), **_describe(own), **_describe(worth[metric], WORTH)}
            for metric, own in _quantities(measured).items()
            if worth[metric].resampled.any()
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS["ablation"]))


def _begin(variant: str, metric: str, measured: Measured) -> dict[str, str | bool]:
    """Say what a row is about: judgements are always others, people the same or perhaps the same."""
    others = measured.recordings_held_out or metric == BEHAVIOR_RHO
    independence = Independence(images=measured.images_held_out, data=others, people=False)
    return {"variant": variant, "metric": metric, **independence.columns()}


def _by_participant(measured: Measured) -> dict[str, Estimate]:
    """Each metric, areas for each participant."""
    models = measured.models
    return {
        **({} if measured.behavior is None else {BEHAVIOR_RHO: measured.behavior}),
        "group_alignment_auc": models.rho["group"].map(models.area),
        "own_alignment_auc": models.own().map(models.area),
        "identification_margin": personal.similarity(models).map(personal.margin),
    }


def _quantities(measured: Measured, less: Measured | None = None) -> dict[str, Estimate]:
    """Each metric of a way of running the method; or by how much it exceeds that of another."""
    found = _by_participant(measured)
    if less is not None:
        others = _by_participant(less)
        found = {metric: estimate - others[metric] for metric, estimate in found.items()}
    # means come last: differences have a variance of their own
    return {
        metric: estimate.mean_over_participants(measured.models.draws) if metric.endswith("auc") else estimate
        for metric, estimate in found.items()
    }


def _describe(estimate: Estimate, names: tuple[str, str, str] = ("value", "low", "high")) -> dict[str, float]:
    low, high = estimate.interval()
    return dict(zip(names, (float(estimate.value), float(low), float(high)), strict=True))
