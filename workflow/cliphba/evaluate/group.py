"""Do models follow the brain? CLIP, Behavior and the group model against everybody's recordings, over time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from cliphba.evaluate import alignment, latencies, significance
from cliphba.evaluate.alignment import LOWER, UPPER, Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import PEOPLE_AND_IMAGES, Finding, Independence, Procedure, tabulate
from cliphba.evaluate.significance import Question, Significance
from cliphba.tables import RDMSeries

#: The models that people are predicted by.
CLIP, BEHAVIOR, GROUP = "clip", "behavior", "group"
#: Which models are compared.
CONTRASTS = {f"{GROUP} - {other}": (GROUP, other) for other in (CLIP, BEHAVIOR)}
#: A ceiling predicts participants from others, or from all, each one itself included.
CEILINGS = {
    LOWER: Independence(images=False, data=True, people=True),
    UPPER: Independence(images=False, data=False, people=False),
}


def evaluate(
    models: Mapping[str, RDMSeries],
    measured: Mapping[str, RDMSeries],
    other_half: Mapping[str, RDMSeries] | None,
    procedure: Procedure,
    *,
    independence: Mapping[str, Independence],
    unseen: Collection[str] = (),
) -> dict[str, pd.DataFrame]:
    """Set models against the brains of all participants.

    Parameters
    ----------
    models
        `CLIP`, `BEHAVIOR` and `GROUP`, to RDMs of the same images at the same times.
    measured
        Participant to measured RDMs.
    other_half
        The same from the other half of the data, for the ceiling of single participants; None: there is none.
    procedure
        How RDMs are compared, and how intervals and p are made.
    independence
        Of each model.
    unseen
        Participants whom the group model was not trained on: rows about one of them alone are independent in people.

    Returns
    -------
    dict
        Kind to table: ``alignment``, ``contrast``, ``ceiling``, ``latency`` and ``summary``.
    """
    found = alignment.measure(models, measured, **procedure.bootstrap())
    ceilings = alignment.noise_ceiling(measured, **procedure.bootstrap())
    halves = alignment.measure(other_half, measured, **procedure.bootstrap()) if other_half else None
    tested = {name: _test(found, models, measured, pair, procedure) for name, pair in _questions(models).items()}
    sources = {**independence, **CEILINGS}
    sources |= {name: independence[first] & independence[second] for name, (first, second) in CONTRASTS.items()}
    courses = {
        name: course(found, name, _difference(found, *pair), tested[name], sources[name])
        for name, pair in _questions(models).items()
    }
    contrasts = pd.concat([courses[name] for name in CONTRASTS], ignore_index=True)
    tables = {
        "alignment": pd.concat([courses[name] for name in models], ignore_index=True),
        "contrast": contrasts.rename(columns={"model": "contrast", "rho": "value"}),
        "ceiling": alignment.ceiling(ceilings, alignment.own_ceiling(halves) if halves else None),
        "latency": _latencies(found, measured, procedure, sources),
        "summary": tabulate(
            [*_areas(found, ceilings, tested, sources), *_baselines(found, sources)],
            images=len(next(iter(measured.values())).stimuli),
            people=len(measured),
        ),
    }
    for kind, column in (("alignment", "model"), ("contrast", "contrast"), ("latency", "curve")):
        strangers = tables[kind][column].isin([GROUP, *CONTRASTS]) & tables[kind]["participant"].isin(list(unseen))
        tables[kind].loc[strangers, "independent_people"] = True
    return tables


def _questions(models: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    return {**{name: (name, None) for name in models}, **CONTRASTS}


def _test(
    found: Alignments,
    models: Mapping[str, RDMSeries],
    measured: Mapping[str, RDMSeries],
    question: tuple[str, str | None],
    procedure: Procedure,
) -> Significance:
    model, against = question
    asked = Question(models[model], list(measured.values()), models[against] if against else None)
    return significance.of_mean(_difference(found, model, against).value, [asked], procedure)


def _difference(found: Alignments, model: str, against: str | None) -> Estimate:
    """(participants, times)."""
    return found.rho[model] - found.rho[against] if against else found.rho[model]


def course(found: Alignments, name: str, rho: Estimate, tested: Significance, source: Independence) -> pd.DataFrame:
    """Tabulate an alignment, or a difference of two, over time.

    Parameters
    ----------
    found
        What it is from.
    name
        What it is called.
    rho
        (participants, times).
    tested
        Significance of its mean: single participants have no p here.
    source
        What it is independent of.

    Returns
    -------
    DataFrame
        A part of the table of kind ``alignment``.
    """
    frame = alignment.curves(replace(found, rho={name: rho})).assign(p=np.nan, p_people=np.nan, **source.columns())
    mean = frame["participant"].isna()
    frame.loc[mean, "p"] = tested.time_p
    if tested.people is not None:
        frame.loc[mean, "p_people"] = tested.people.time_p
    return frame


def _latencies(
    found: Alignments, measured: Mapping[str, RDMSeries], procedure: Procedure, sources: Mapping[str, Independence]
) -> pd.DataFrame:
    decoded = latencies.decoding(list(measured.values()), resamples=procedure.resamples, seed=procedure.seed)
    # decoders are tested on sessions they were not trained on
    sources = {"decoding": Independence(images=False, data=True, people=False), **sources}
    parts = [
        latencies.table(curve, courses, found.times_ms, found.participants, found.draws).assign(
            **sources[curve].columns()
        )
        for curve, courses in {"decoding": decoded, **found.rho}.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _areas(
    found: Alignments, ceilings: Alignments, tested: Mapping[str, Significance], sources: Mapping[str, Independence]
) -> list[Finding]:
    curves = {name: _difference(found, *pair) for name, pair in _questions(found.rho).items()} | dict(ceilings.rho)
    return [
        Finding(
            "alignment_auc_difference" if name in CONTRASTS else "alignment_auc",
            name,
            rho.map(found.area).mean_over_participants(found.draws),
            PEOPLE_AND_IMAGES,
            sources[name],
            **(tested[name].columns() if name in tested else {}),
        )
        for name, rho in curves.items()
    ]


def _baselines(found: Alignments, sources: Mapping[str, Independence]) -> list[Finding]:
    """Alignment of static models up to onset, before anything was seen: it must be nothing."""
    before = found.times_ms <= 0
    return [
        Finding(
            "baseline_rho",
            name,
            rho.map(lambda values: values[..., before].mean(-1)).mean_over_participants(found.draws),
            PEOPLE_AND_IMAGES,
            sources[name],
        )
        for name, rho in found.rho.items()
        if np.isfinite(rho.value).all()
    ]
