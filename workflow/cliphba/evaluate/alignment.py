"""Alignment of models with brains: Spearman correlation of RDMs at every time, its area, its noise ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from cliphba import rdm
from cliphba.evaluate import bootstrap
from cliphba.evaluate.bootstrap import Estimate, Reals
from cliphba.tables import RDMs

LOWER, UPPER = "lower ceiling", "upper ceiling"


@dataclass(frozen=True)
class Alignments:
    """How models align with participants, over time, from one set of bootstrap resamples.

    Attributes
    ----------
    times_ms
        (times,)
    participants
        Whose measurements the models were set against.
    rho
        For each model an estimate (participants, times), resampled over stimuli; not-a-number where the model is
        undefined.
    draws
        (resamples, participants) how often each participant was drawn. Means over participants made with them vary
        stimuli and participants jointly.
    """

    times_ms: Reals
    participants: tuple[str, ...]
    rho: Mapping[str, Estimate]
    draws: Reals

    def mean(self, model: str) -> Estimate:
        """Mean over participants, (times,)."""
        return self.rho[model].mean_over_participants(self.draws)

    def personal(self) -> Estimate:
        """Alignment of each personal model with each participant, (models, participants, times).

        Raises
        ------
        ValueError
            If a participant has no model of the same name.
        """
        missing = set(self.participants) - set(self.rho)
        if missing:
            raise ValueError(f"participant {min(missing)} has no personal model: train one, or leave them out")
        rho = [self.rho[name] for name in self.participants]
        return Estimate(np.stack([one.value for one in rho]), np.stack([one.resampled for one in rho], axis=1))

    def own(self) -> Estimate:
        """Alignment of each personal model with its own participant, (participants, times)."""
        return self.personal().map(lambda rho: np.einsum("...ppt->...pt", rho))

    def area(self, rho: Reals) -> Reals:
        """Area under curves (..., times) after stimulus onset, in rho x ms."""
        return area_under_curve(rho, self.times_ms)


def align(model: rdm.Floats, targets: rdm.Floats) -> Reals:
    """Spearman correlation of a model's RDM with each participant's at each time.

    Parameters
    ----------
    model
        (times, pairs), or (1, pairs) if it does not change over time; not-a-number where undefined.
    targets
        (participants, times, pairs).

    Returns
    -------
    array
        (participants, times); not-a-number where the model is undefined.
    """
    known = bootstrap.defined(model)
    rho = rdm.spearman(np.where(known[:, None], model, 0), targets)
    return np.where(known, rho, np.nan)


def area_under_curve(rho: rdm.Floats, times_ms: Reals) -> Reals:
    """Trapezoid area of curves (..., times) over the samples after stimulus onset, in rho x ms.

    Raises
    ------
    ValueError
        If fewer than two samples come after onset.
    """
    response = times_ms > 0
    if response.sum() < 2:
        raise ValueError("times_ms has fewer than two samples after onset: no area under the curve can be taken")
    return np.asarray(np.trapezoid(rho[..., response], times_ms[response], axis=-1))


def pooled_others(targets: rdm.Floats) -> Reals:
    """Mean of the rank-transformed RDMs of all other participants, for each: (participants, ...) to the same."""
    ranked = rankdata(targets, axis=-1)
    others: Reals = (ranked.sum(0) - ranked) / (len(ranked) - 1)
    return others


def measure(
    models: Mapping[str, RDMs], targets: Mapping[str, RDMs], *, resamples: int, seed: int, label: str = "bootstrap"
) -> Alignments:
    """Align models with participants, as measured and in bootstrap resamples of the stimuli.

    Calls with the same seed, number of resamples and stimuli use the same resamples, so that their results are
    paired.

    Parameters
    ----------
    models
        Name to RDMs; static ones (one entry) or at the times of the targets.
    targets
        Participant to measured RDMs.
    resamples, seed
        Number and seed of the bootstrap resamples.
    label
        What the progress bar says.

    Returns
    -------
    Alignments
        Of every model with every participant.

    Raises
    ------
    ValueError
        If stimuli or times do not fit together, or an RDM is undefined where it must be defined.
    """
    times_ms, measured = _stack(targets)
    for name, model in models.items():
        _check(name, model, next(iter(targets.values())))
    weights = bootstrap.pair_weights(bootstrap.draw(_stimuli(targets), resamples, seed=(seed, 0)))
    resampled = bootstrap.spearman([model.values for model in models.values()], measured, weights, label=label)
    rho = {
        name: Estimate(align(model.values, measured), resampled[:, index])
        for index, (name, model) in enumerate(models.items())
    }
    return Alignments(times_ms, tuple(targets), rho, bootstrap.draw(len(targets), resamples, seed=(seed, 1)))


def noise_ceiling(targets: Mapping[str, RDMs], *, resamples: int, seed: int) -> Alignments:
    """Noise ceiling of the mean alignment, from the participants' own RDMs.

    Lower: each participant's RDM with the mean of the others. Upper: with the mean of all, the participant included.
    RDMs are rank-transformed before the mean (Nili et al. 2014, doi:10.1371/journal.pcbi.1003553). Resamples take
    those means as given and vary stimuli and participants they are compared on.

    Parameters
    ----------
    targets
        Participant to measured RDMs.
    resamples, seed
        As given to `measure` for the models.

    Returns
    -------
    Alignments
        With `LOWER` and `UPPER` in place of models.

    Raises
    ------
    ValueError
        If there is only one participant.
    """
    if len(targets) < 2:
        raise ValueError("a noise ceiling needs two or more participants: leave it out for one")
    first = next(iter(targets.values()))
    _, measured = _stack(targets)
    pools = dict(zip(targets, pooled_others(measured), strict=True)) | {UPPER: rankdata(measured, axis=-1).mean(0)}
    predictions = {name: RDMs(first.times_ms, values, first.stimuli) for name, values in pools.items()}
    found = measure(predictions, targets, resamples=resamples, seed=seed, label="noise ceiling")
    rho = {LOWER: found.own(), UPPER: found.rho[UPPER]}
    return Alignments(found.times_ms, found.participants, rho, found.draws)


def curves(alignments: Alignments) -> pd.DataFrame:
    """Tabulate alignment over time.

    Returns
    -------
    DataFrame
        Table of kind ``alignment``. Rows without a participant are the mean over participants, with an interval over
        stimuli and participants; the others have an interval over stimuli.
    """
    parts = []
    for model in alignments.rho:
        parts.append(_curve(alignments.mean(model), alignments.times_ms).assign(model=model, participant=None))
        for index, participant in enumerate(alignments.participants):
            one = alignments.rho[model][index]
            parts.append(_curve(one, alignments.times_ms).assign(model=model, participant=participant))
    return pd.concat(parts, ignore_index=True)[["model", "participant", "time_ms", "rho", "low", "high"]]


def ceiling(ceilings: Alignments) -> pd.DataFrame:
    """Tabulate the noise ceiling over time, a table of kind ``ceiling``."""
    lower, upper = ceilings.mean(LOWER).value, ceilings.mean(UPPER).value
    return pd.DataFrame({"time_ms": ceilings.times_ms, "lower": lower, "upper": upper})


def _curve(rho: Estimate, times_ms: Reals) -> pd.DataFrame:
    low, high = rho.interval()
    return pd.DataFrame({"time_ms": times_ms, "rho": rho.value, "low": low, "high": high})


def _stimuli(targets: Mapping[str, RDMs]) -> int:
    return len(next(iter(targets.values())).stimuli)


def _stack(targets: Mapping[str, RDMs]) -> tuple[Reals, Reals]:
    """Give the times, and the values (participants, times, pairs)."""
    if not targets:
        raise ValueError("targets is empty: give the RDMs of at least one participant")
    first = next(iter(targets.values()))
    for name, target in targets.items():
        _check(name, target, first)
        if not np.isfinite(target.values).all():
            raise ValueError(f"the measured RDMs of {name} have undefined values: decode this participant again")
    return first.times_ms, np.stack([target.values.astype(np.float64) for target in targets.values()])


def _check(name: str, found: RDMs, wanted: RDMs) -> None:
    if found.stimuli != wanted.stimuli:
        raise ValueError(f"the RDMs of {name} have other stimuli or another order: use `RDMs.of` first")
    static = len(found.times_ms) == 1
    same_length = len(found.times_ms) == len(wanted.times_ms)
    if not static and not (same_length and np.allclose(found.times_ms, wanted.times_ms)):
        raise ValueError(f"the RDMs of {name} are at other times than those measured: make them at the same times")
    if not np.isfinite(found.values[found.times_ms > 0]).all():
        raise ValueError(f"the RDMs of {name} are undefined at times after onset: embed the images again")
