"""Alignment of models with brains: correlation of RDMs at every time, its area, its noise ceilings.

RDMs are read and compared one time point at a time, so that they need not fit in memory together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate import bootstrap
from cliphba.evaluate.bootstrap import Comparable, Estimate, Reals, stacked
from cliphba.progress import track
from cliphba.rdm import Comparison
from cliphba.tables import COLUMNS, RDMSeries

#: The mean of the others, or a person's other half, as a prediction; and what no prediction is expected to exceed.
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
        return stacked([self.rho[name] for name in self.participants])

    def own(self) -> Estimate:
        """Alignment of each personal model with its own participant, (participants, times)."""
        return self.personal().map(lambda rho: np.einsum("...ppt->...pt", rho))

    def area(self, rho: Reals) -> Reals:
        """Area under curves (..., times) after stimulus onset, in rho x ms."""
        return area_under_curve(rho, self.times_ms)


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


def measure(
    models: Mapping[str, RDMSeries],
    targets: Mapping[str, RDMSeries],
    *,
    comparison: Comparison = "spearman",
    resamples: int,
    seed: int,
    label: str = "bootstrap",
) -> Alignments:
    """Align models with participants, as measured and in bootstrap resamples of the stimuli.

    Calls with the same seed, number of resamples and stimuli use the same resamples, so that their results are
    paired. In memory are the RDMs of one time point, each in double precision and, if there are resamples, sorted;
    RDMs of models without time course are made and sorted once for all times.

    Parameters
    ----------
    models
        Name to RDMs; static ones (one entry) or at the times of the targets.
    targets
        Participant to measured RDMs.
    comparison
        How RDMs are compared.
    resamples, seed
        Number and seed of the bootstrap resamples. Without resamples there are no intervals.
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
    first = _first(targets)
    for name, series in chain(targets.items(), models.items()):
        _check(name, series, first)
    static = {
        name: Comparable(model.row(0), comparison) for name, model in models.items() if len(model.times_ms) == 1
    }

    order = [id(target) for target in targets.values()]

    def predict(time: int, measured: Sequence[Comparable]) -> list[Comparable]:
        def make(name: str, model: RDMSeries) -> Comparable:
            if id(model) in order:
                return measured[order.index(id(model))]
            return static[name] if name in static else Comparable(_predicted(name, model, time), comparison)

        return [make(name, model) for name, model in models.items()]

    return _through_time(
        list(models), predict, targets, comparison=comparison, resamples=resamples, seed=seed, label=label
    )


def noise_ceiling(
    targets: Mapping[str, RDMSeries], *, comparison: Comparison = "spearman", resamples: int, seed: int
) -> Alignments:
    """Noise ceiling of the mean alignment, from the participants' own RDMs.

    Lower: each participant's RDM with the mean of the others. Upper: with the mean of all, the participant included.
    Before the mean RDMs are rank-transformed, or brought to unit length (Nili et al. 2014,
    doi:10.1371/journal.pcbi.1003553). Resamples take those means as given and vary stimuli and participants they are
    compared on.

    Parameters
    ----------
    targets
        Participant to measured RDMs.
    comparison, resamples, seed
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
    for name, series in targets.items():
        _check(name, series, _first(targets))

    def predict(_: int, measured: Sequence[Comparable]) -> list[Comparable]:
        rows = np.stack([one.values for one in measured])
        return [Comparable(pool, comparison) for pool in _pools(rows, comparison)]

    found = _through_time(
        [*targets, UPPER],
        predict,
        targets,
        comparison=comparison,
        resamples=resamples,
        seed=seed,
        label="noise ceiling",
    )
    rho = {LOWER: found.own(), UPPER: found.rho[UPPER]}
    return Alignments(found.times_ms, found.participants, rho, found.draws)


def own_ceiling(halves: Alignments) -> Alignments:
    """Noise ceiling of each participant's own alignment, from two halves of the participant's data.

    Lower: correlation of the halves' RDMs, a prediction by the same person without any model. Upper: what that
    person's RDM without noise would reach with the noisy half that models are compared with. If both halves are
    equally reliable, that is the square root of their correlation (Spearman 1904, doi:10.2307/1412159); for rank
    correlations this is an approximation. No reliability is below zero: where the halves correlate negatively, by
    chance, the upper bound is 0, for bounds from the positive correlations alone would be too high.

    Parameters
    ----------
    halves
        From `measure`: the RDMs of the other half, named as the participants, with those models are compared with.

    Returns
    -------
    Alignments
        With `LOWER` and `UPPER` in place of models.

    Raises
    ------
    ValueError
        If a participant has no other half.
    """
    own = halves.own()
    rho = {LOWER: own, UPPER: own.map(lambda reliability: np.sqrt(np.maximum(reliability, 0)))}
    return Alignments(halves.times_ms, halves.participants, rho, halves.draws)


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


def ceiling(group: Alignments, own: Alignments | None) -> pd.DataFrame:
    """Tabulate noise ceilings over time, a table of kind ``ceiling``.

    Parameters
    ----------
    group
        From `noise_ceiling`: that of the mean over participants, whose rows name none.
    own
        From `own_ceiling`: that of each participant; None: there is none.

    Returns
    -------
    DataFrame
        A row for each participant, bound ("lower" or "upper") and time, with its 95 % interval: over stimuli, and
        over participants where it is their mean. Upper bounds are independent of nothing: they are made from the very
        data they are set against.
    """
    parts = []
    for bound, name in {"lower": LOWER, "upper": UPPER}.items():
        independence = {"independent_images": False, "independent_data": bound == "lower"}
        mean = _bound(group.mean(name), group.times_ms).assign(independent_people=bound == "lower", participant=None)
        each = _own_bound(own, name) if own else []
        parts += [part.assign(bound=bound, **independence) for part in (mean, *each)]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS["ceiling"])]


def _own_bound(own: Alignments, name: str) -> list[pd.DataFrame]:
    return [
        _bound(own.rho[name][index], own.times_ms).assign(independent_people=False, participant=participant)
        for index, participant in enumerate(own.participants)
    ]


def _curve(rho: Estimate, times_ms: Reals) -> pd.DataFrame:
    return _bound(rho, times_ms).rename(columns={"value": "rho"})


def _bound(estimate: Estimate, times_ms: Reals) -> pd.DataFrame:
    return pd.DataFrame({"time_ms": times_ms, **estimate.columns()})


def _through_time(
    names: Sequence[str],
    predict: Callable[[int, Sequence[Comparable]], Sequence[Comparable]],
    targets: Mapping[str, RDMSeries],
    *,
    comparison: Comparison,
    resamples: int,
    seed: int,
    label: str,
) -> Alignments:
    """Compare what `predict` gives for a time, from its number and what was measured, with the latter."""
    times_ms, stimuli = _first(targets).times_ms, _first(targets).stimuli
    counts = bootstrap.draw_stimuli(len(stimuli), resamples, seed=(seed, 0))
    value = np.empty((len(names), len(targets), len(times_ms)))
    resampled = np.empty((resamples, *value.shape))
    for time in track(range(len(times_ms)), label, unit="time point"):
        measured = [Comparable(_measured(name, one, time), comparison) for name, one in targets.items()]
        predicted = predict(time, measured)
        value[..., time] = bootstrap.compare(predicted, measured)
        resampled[..., time] = bootstrap.resample(predicted, measured, counts)
    rho = {name: Estimate(value[index], resampled[:, index]) for index, name in enumerate(names)}
    return Alignments(times_ms, tuple(targets), rho, bootstrap.draw(len(targets), resamples, seed=(seed, 1)))


def _pools(rows: rdm.Floats, comparison: Comparison) -> Reals:
    """Mean RDM of the others for each of (participants, pairs), and that of all: (participants + 1, pairs)."""
    # ranks as they are, as in the source, and not of unit length
    alike = rdm.average_ranks(rows) if comparison == "spearman" else rdm.unit(rows, comparison)
    total = alike.sum(0)
    return np.concatenate([(total - alike) / (len(alike) - 1), total[None] / len(alike)])


def _first(targets: Mapping[str, RDMSeries]) -> RDMSeries:
    if not targets:
        raise ValueError("targets is empty: give the RDMs of at least one participant")
    return next(iter(targets.values()))


def _check(name: str, found: RDMSeries, wanted: RDMSeries) -> None:
    if found.stimuli != wanted.stimuli:
        raise ValueError(f"the RDMs of {name} have other stimuli or another order: use `RDMs.of` first")
    static = len(found.times_ms) == 1
    same_length = len(found.times_ms) == len(wanted.times_ms)
    if not static and not (same_length and np.allclose(found.times_ms, wanted.times_ms)):
        raise ValueError(f"the RDMs of {name} are at other times than those measured: make them at the same times")


def _measured(name: str, target: RDMSeries, time: int) -> rdm.Floats:
    row = target.row(time)
    if not np.isfinite(row).all():
        raise ValueError(f"the measured RDMs of {name} have undefined values: decode this participant again")
    return row


def _predicted(name: str, model: RDMSeries, time: int) -> rdm.Floats:
    row = model.row(time)
    if model.times_ms[time] > 0 and not np.isfinite(row).all():
        raise ValueError(f"the RDMs of {name} are undefined at times after onset: embed the images again")
    return row
