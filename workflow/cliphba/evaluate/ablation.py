"""What a change of the method is worth on data that no training saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cliphba.evaluate import personal
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.tables import COLUMNS

AS_CONFIGURED = "as configured"


@dataclass(frozen=True)
class Measured:
    """Evaluation of one way of running the method.

    Attributes
    ----------
    behavior
        Agreement of the Behavior model with human judgements.
    models
        Alignment of "group" and of each personal model, named as its participant.
    """

    behavior: Estimate
    models: Alignments


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
        out helps. Intervals vary stimuli, and participants where there is a mean over them, but no seed of training.
    """
    rows = []
    for variant, measured in {AS_CONFIGURED: reference, **variants}.items():
        for metric, estimate in _quantities(measured, measured).items():
            worth = None if measured is reference else _quantities(measured, reference, minus=True)[metric]
            rows.append(
                {"variant": variant, "metric": metric, **_interval(estimate, ""), **_interval(worth, "worth")}
            )
    return pd.DataFrame(rows, columns=list(COLUMNS["ablation"]))


def _quantities(measured: Measured, reference: Measured, *, minus: bool = False) -> dict[str, Estimate]:
    """Each metric of a way of running the method, or of the reference minus it."""

    def against(own: Estimate, other: Estimate) -> Estimate:
        return other - own if minus else own

    models, others = measured.models, reference.models
    area = models.area
    group = against(models.rho["group"].map(area), others.rho["group"].map(area))
    own = against(models.own().map(area), others.own().map(area))
    margins = [personal.similarity(each).map(personal.margin) for each in (models, others)]
    return {
        "behavior_rho": against(measured.behavior, reference.behavior),
        "group_alignment_auc": group.mean_over_participants(models.draws),
        "own_alignment_auc": own.mean_over_participants(models.draws),
        "identification_margin": against(*margins),
    }


def _interval(estimate: Estimate | None, prefix: str) -> dict[str, float]:
    names = (f"{prefix}_low", f"{prefix}_high") if prefix else ("low", "high")
    if estimate is None:
        return dict.fromkeys((prefix, *names), np.nan)
    low, high = estimate.interval()
    return {prefix or "value": float(estimate.value), names[0]: float(low), names[1]: float(high)}
