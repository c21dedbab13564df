"""Does the geometry last or come back, and does it so in model and brain alike? Time generalisation of RDMs.

The RDM at each time is correlated with that at each other time, as King & Dehaene (2014,
doi:10.1016/j.tics.2014.01.002) do with classifiers. Of recordings, one half of the sessions is set against the other:
noise that lasts over time is then in one of them only, and the diagonal is how reliable the RDM of a time is, not 1.
Where there are no halves, recordings are set against themselves, which is another thing and has another name: what
lasts may then be noise, and the diagonal is 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate import bootstrap
from cliphba.evaluate.alignment import LOWER, UPPER
from cliphba.evaluate.bootstrap import Comparable, Estimate, Reals, stacked
from cliphba.evaluate.findings import PEOPLE_AND_IMAGES, Finding, Independence, Procedure, tabulate
from cliphba.evaluate.group import CEILINGS, GROUP
from cliphba.progress import track
from cliphba.tables import RDMSeries

#: One half of the recordings against the other, or against themselves; the model (time_ms) against the recordings
#: (other_time_ms).
MEG, SAME_MEG, ACROSS = "MEG", "MEG with itself", f"{GROUP} with MEG"
#: The same people, shown the same images in other sessions, or in the same.
RECORDINGS = {
    MEG: Independence(images=False, data=True, people=False),
    SAME_MEG: Independence(images=False, data=False, people=False),
}

Halves = tuple[RDMSeries, RDMSeries]

# Numbers held at once in matrices of resamples.
BLOCK = 5_000_000


def evaluate(
    model: RDMSeries,
    measured: Mapping[str, RDMSeries],
    other_half: Mapping[str, RDMSeries] | None,
    procedure: Procedure,
    *,
    independence: Independence,
) -> dict[str, pd.DataFrame]:
    """Correlate RDMs at all pairs of times: of the group model, of everybody's recordings, of the one with the other.

    Parameters
    ----------
    model
        RDMs of the group model at the times of the recordings; not-a-number up to onset.
    measured, other_half
        Participant to RDMs of the same images, from either half of the data; None: there is no other half.
    procedure
        How RDMs are compared, and the resamples.
    independence
        Of the group model.

    Returns
    -------
    dict
        Kind to table: ``generalisation`` (of recordings the mean over participants, `MEG` or, without another half,
        `SAME_MEG`) and ``summary``, which says how alike model and recordings generalise, see `likeness`. That number
        has no p: however images are relabelled, a model generalises as it does.

    Raises
    ------
    ValueError
        If there is only one participant.
    """
    recordings, others = (SAME_MEG, measured) if other_half is None else (MEG, other_half)
    people = [(measured[name], others[name]) for name in measured]
    times = range(len(model.times_ms))
    own = _comparable(model, times, procedure)
    matrices = {
        GROUP: bootstrap.compare(own, own),
        recordings: np.mean([_across_halves(pair, times, procedure) for pair in people], axis=0),
        ACROSS: np.mean([bootstrap.compare(own, _comparable(one, times, procedure)) for one, _ in people], axis=0),
    }
    sources = {**CEILINGS, **RECORDINGS, GROUP: independence, ACROSS: independence}
    parts = [
        _tabulate(matrix, model.times_ms).assign(source=name, **sources[name].columns())
        for name, matrix in matrices.items()
    ]
    findings = [
        Finding("generalisation_likeness", name, estimate, PEOPLE_AND_IMAGES, sources[name])
        for name, estimate in likeness(model, people, procedure).items()
    ]
    return {
        "generalisation": pd.concat(parts, ignore_index=True),
        "summary": tabulate(findings, images=len(model.stimuli), people=len(people)),
    }


def likeness(model: RDMSeries, people: Sequence[Halves], procedure: Procedure) -> dict[str, Estimate]:
    """Tell how alike a model and people generalise over time, after onset.

    Any geometry that changes little by little generalises to neighbouring times. So the mean over all pairs of times
    that are equally far apart is taken out of both matrices, see `peculiar`. What is left, such as a geometry that
    lasts for a while or comes back, is correlated.

    Parameters
    ----------
    model
        Its RDMs.
    people
        Of each participant the RDMs of the same images at the same times from either half of the data, or twice the
        same.
    procedure
        How RDMs are compared, and the resamples.

    Returns
    -------
    dict
        Mean over participants of the correlation of their matrices with that of the model (`GROUP`), with the mean of
        the others' (`LOWER`), with that of all (`UPPER`): the noise ceiling, whose means resamples take as given.

    Raises
    ------
    ValueError
        If there is only one participant.
    """
    if len(people) < 2:
        raise ValueError("a noise ceiling needs two or more participants: leave it out for one")
    times = np.flatnonzero(model.times_ms > 0).tolist()
    counts = bootstrap.draw_stimuli(len(model.stimuli), procedure.resamples, seed=(procedure.seed, 0))
    draws = bootstrap.draw(len(people), procedure.resamples, seed=(procedure.seed, 1))
    found = np.stack([peculiar(_across_halves(pair, times, procedure)) for pair in people])
    own = _comparable(model, times, procedure)
    generalised = Estimate(peculiar(bootstrap.compare(own, own)), _resample(own, own, counts))
    predictions = {
        GROUP: [generalised] * len(people),
        LOWER: [_given(mean) for mean in (found.sum(0) - found) / (len(found) - 1)],
        UPPER: [_given(found.mean(0))] * len(people),
    }
    alike: dict[str, list[Estimate]] = {name: [] for name in predictions}
    for person, pair in enumerate(track(people, "time generalisation", unit="participant")):
        first, second = (_comparable(half, times, procedure) for half in pair)
        theirs = Estimate(found[person], _resample(first, second, counts))
        for name, predicted in predictions.items():
            alike[name].append(_correlate(predicted[person], theirs))
    # matrices of resamples, of fewer different images, are noisier
    return {name: stacked(each).levelled().mean_over_participants(draws) for name, each in alike.items()}


def peculiar(matrices: Reals) -> Reals:
    """Take the mean of pairs of times that are equally far apart out of (..., times, times), to (..., pairs).

    Pairs of a time with itself are left out.
    """
    diagonals = [np.diagonal(matrices, apart, -2, -1) for apart in range(1, matrices.shape[-1])]
    return np.concatenate([one - one.mean(-1, keepdims=True) for one in diagonals], axis=-1)


def _given(value: Reals) -> Estimate:
    """Take something as it is, whatever the resample."""
    return Estimate(value, value[None])


def _correlate(predicted: Estimate, measured: Estimate) -> Estimate:
    return Estimate(
        rdm.pearson(predicted.value, measured.value), rdm.pearson(predicted.resampled, measured.resampled)
    )


def _comparable(series: RDMSeries, times: Iterable[int], procedure: Procedure) -> list[Comparable]:
    return [Comparable(series.row(time), procedure.comparison) for time in times]


def _across_halves(pair: Halves, times: Sequence[int], procedure: Procedure) -> Reals:
    """Give the mean of both directions, (times, times)."""
    return _symmetric(bootstrap.compare(*(_comparable(half, times, procedure) for half in pair)))


def _symmetric(matrices: Reals) -> Reals:
    return np.asarray((matrices + matrices.swapaxes(-1, -2)) / 2)


def _resample(first: Sequence[Comparable], second: Sequence[Comparable], counts: Reals) -> Reals:
    """Give what is peculiar to pairs of times in every resample, (resamples, pairs)."""
    blocks = np.array_split(counts, max(1, len(counts) * len(first) * len(second) // BLOCK))
    return np.concatenate([peculiar(_symmetric(bootstrap.resample(first, second, block))) for block in blocks])


def _tabulate(matrix: Reals, times_ms: Reals) -> pd.DataFrame:
    first, second = np.meshgrid(times_ms, times_ms, indexing="ij")
    return pd.DataFrame({"time_ms": first.ravel(), "other_time_ms": second.ravel(), "value": matrix.ravel()})
