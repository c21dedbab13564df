"""The result in one table: every number that is claimed, its interval, and what the interval varies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cliphba.evaluate import personal
from cliphba.evaluate.alignment import LOWER, UPPER, Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.tables import COLUMNS

STIMULI, JOINTLY = "stimuli", "stimuli and participants"
ASSIGNMENT = "stimuli (interval), assignment of participants (p)"

Row = dict[str, str | float | None]


@dataclass(frozen=True)
class Evaluation:
    """Everything measured, from the same resamples of the stimuli.

    Attributes
    ----------
    behavior
        Agreement of "clip", "behavior" and "ceiling" with human judgements.
    models
        Alignment of "clip", "behavior", "group" and of each personal model, named as its participant.
    ceilings
        Noise ceiling.
    halves
        Alignment of each participant's measurement in the training half, named as the participant.
    """

    behavior: Mapping[str, Estimate]
    models: Alignments
    ceilings: Alignments
    halves: Alignments


def assemble(evaluation: Evaluation, *, seed: int, unit: str = "sessions", held_out: bool = True) -> pd.DataFrame:
    """Assemble the summary.

    Parameters
    ----------
    evaluation
        What was measured.
    seed
        Of the permutations of participants.
    unit
        What the two halves of the measurements are made of: "sessions", "runs" or "trials".
    held_out
        Whether models were set against measurements that no training saw.

    Returns
    -------
    DataFrame
        Table of kind ``summary``. ``varies`` says over what the interval (and p) generalises, ``independent`` what is
        independent of everything the model was fitted to.
    """
    both = f"images, {unit}" if held_out else "nothing"
    rows = [*_behavior(evaluation.behavior), *_alignment(evaluation, both), *_own(evaluation.models, both)]
    rows += _identification("personal", evaluation.models, seed=seed, independent=both)
    rows += _identification("model-free", evaluation.halves, seed=seed, independent=unit)
    return pd.DataFrame(rows, columns=list(COLUMNS["summary"]))


def _row(metric: str, model: str, estimate: Estimate, *, varies: str, independent: str) -> Row:
    low, high = estimate.interval()
    numbers = {"value": float(estimate.value), "low": float(low), "high": float(high)}
    return {"metric": metric, "model": model, "participant": None, **numbers, "p": np.nan} | {
        "varies": varies,
        "independent": independent,
    }


def _behavior(agreement: Mapping[str, Estimate]) -> list[Row]:
    rows = [
        _row("behavior_rho", model, agreement[model], varies=STIMULI, independent="images")
        for model in ("clip", "behavior", "ceiling")
    ]
    gain = agreement["behavior"] - agreement["clip"]
    return [*rows, _row("behavior_rho_difference", "behavior - clip", gain, varies=STIMULI, independent="images")]


def _alignment(evaluation: Evaluation, independent: str) -> list[Row]:
    models, ceilings = evaluation.models, evaluation.ceilings
    before = models.times_ms <= 0
    each = {name: models.rho[name].map(models.area) for name in ("clip", "behavior", "group")}
    bounds = {name: ceilings.rho[name].map(ceilings.area) for name in (LOWER, UPPER)}
    areas = {name: area.mean_over_participants(models.draws) for name, area in (each | bounds).items()}
    gains = {
        f"group - {name}": (each["group"] - each[name]).mean_over_participants(models.draws)
        for name in ("clip", "behavior")
    }
    baselines = {
        name: models.rho[name].map(lambda rho: rho[..., before].mean(-1)).mean_over_participants(models.draws)
        for name in ("clip", "behavior")
    }
    metrics = {"alignment_auc": areas, "alignment_auc_difference": gains, "baseline_rho": baselines}
    # a ceiling predicts participants from participants: from others, or from all, each one itself included
    exceptions = {LOWER: "participants", UPPER: "nothing"}
    return [
        _row(metric, model, estimate, varies=JOINTLY, independent=exceptions.get(model, independent))
        for metric, estimates in metrics.items()
        for model, estimate in estimates.items()
    ]


def _own(models: Alignments, independent: str) -> list[Row]:
    own, group = models.own().map(models.area), models.rho["group"].map(models.area)
    rows: list[Row] = []
    for index, name in enumerate(models.participants):
        row = _row("own_alignment_auc", name, own[index], varies=STIMULI, independent=independent)
        rows.append(row | {"participant": name})
    gain = (own - group).mean_over_participants(models.draws)
    return [*rows, _row("own_alignment_gain", "personal - group", gain, varies=JOINTLY, independent=independent)]


def _identification(source: str, alignments: Alignments, *, seed: int, independent: str) -> list[Row]:
    matrix = personal.similarity(alignments)
    found = personal.identify(matrix.value, seed=seed)
    metrics = {
        "identification_accuracy": (matrix.map(personal.accuracy), found.accuracy_p),
        "identification_margin": (matrix.map(personal.margin), found.margin_p),
    }
    return [
        _row(metric, source, estimate, varies=ASSIGNMENT, independent=independent) | {"p": float(p)}
        for metric, (estimate, p) in metrics.items()
    ]
