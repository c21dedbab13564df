"""What was put into simulated people, found again: how strongly, and how late, each one responds to what.

Where responses to the dimensions of pictures add up, the squared distance between two of them is the sum of the
squared differences in the dimensions, each times the square of its gain. The weights of such a sum, fitted to an RDM,
tell how strongly a person, or the model of a person, responds to each dimension. RDMs have no common scale, and some
dimensions are easier to see than others; what can be compared are double-centred weights, which neither a person's
other dimensions nor other people's weights explain. Under the null hypothesis that people do not differ any
assignment of truths to people is as good as the true one, which gives an exact test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate import bootstrap, permutation, personal
from cliphba.evaluate.bootstrap import Estimate, Reals
from cliphba.tables import RDMSeries

# Few stimuli, drawn repeatedly, may not tell all dimensions apart: such eigenvalues, as shares of the largest, are 0.
SINGULAR = 1e-10

# Weights of pairs in resamples held at once, 8 bytes each.
BLOCK = 5_000_000


class Recovery(NamedTuple):
    """How well a truth is recovered.

    Attributes
    ----------
    estimate
        Correlation with the truth, a scalar, resampled over stimuli and participants jointly. As the noise of single
        pairs is in both, the interval is cautious. 0 where either side does not vary.
    p
        Share of the assignments of truths to what they are true of, the right one included, that correlate as well or
        better; not-a-number if there are too few of them for any p of 0.05.
    """

    estimate: Estimate
    p: float


class Latencies(NamedTuple):
    """How well latencies are recovered.

    Attributes
    ----------
    people
        Who responds to what earlier or later than others: over participants and factors, double-centred.
    factors
        What people respond to earlier or later: over factors, means over participants.
    """

    people: Recovery
    factors: Recovery


def gains(
    people: Mapping[str, RDMSeries], factors: pd.DataFrame, truth: pd.DataFrame, *, resamples: int, seed: int
) -> Recovery:
    """Recover how strongly each simulated person responds to each factor.

    Parameters
    ----------
    people
        Participant to RDMs: of the personal model, or measured ones for what the data allow.
    factors
        (stimuli, factors) values, indexed by stimulus; squared differences in all of them explain the RDMs.
    truth
        Table of kind ``truth``.
    resamples, seed
        Number and seed of the bootstrap resamples.

    Returns
    -------
    Recovery
        Correlation of weights from `weigh` with the logarithm of gains, over participants and factors.

    Raises
    ------
    ValueError
        If the truth about somebody is missing, or stimuli, times and RDMs do not fit together.
    """
    found = weigh(people, factors, resamples=resamples, seed=seed)
    return recover(found, np.log(_arrange(truth, "gain", people, factors)), seed=seed)


def latencies(
    people: Mapping[str, RDMSeries], factors: pd.DataFrame, truth: pd.DataFrame, *, resamples: int, seed: int
) -> Latencies:
    """Recover how late each simulated person responds to each factor.

    Parameters
    ----------
    people
        Participant to measured RDMs, at all times.
    factors, truth, resamples, seed
        As for `gains`.

    Returns
    -------
    Latencies
        Correlations of `latency_shifts` with the latencies of people, and of `centres` with those of factors.

    Raises
    ------
    ValueError
        As for `gains`.
    """
    times_ms = _check(people)
    values = np.stack(
        [[one.row(time).astype(np.float64) for time in range(len(times_ms))] for one in people.values()]
    )
    put_in = _arrange(truth, "latency_ms", people, factors)
    courses = _resample(values, people, factors, resamples=resamples, seed=seed)
    shifts = recover(courses.map(lambda found: latency_shifts(found, times_ms)), put_in, seed=seed)
    return Latencies(shifts, _recover_order(courses, put_in, times_ms, seed=seed))


def weigh(people: Mapping[str, RDMSeries], features: pd.DataFrame, *, resamples: int, seed: int) -> Estimate:
    """Tell how strongly each person weighs each dimension, over all times after stimulus onset.

    Parameters
    ----------
    people
        Participant to RDMs: of the personal model, or measured ones.
    features
        (stimuli, dimensions) values, indexed by stimulus: simulated factors, or dimensions known from behaviour.
    resamples, seed
        Number and seed of the bootstrap resamples.

    Returns
    -------
    Estimate
        (participants, dimensions) weights, resampled over stimuli. RDMs are standardised at each time first, so that
        all times count alike and the scale of a person's RDMs does not matter.

    Raises
    ------
    ValueError
        If stimuli, times and RDMs do not fit together.
    """
    _check(people)
    pooled = np.stack([_pool(one) for one in people.values()])
    return _resample(pooled, people, features, resamples=resamples, seed=seed)


def dimension_profile(rdms: rdm.Floats, features: Reals, counts: Reals) -> Reals:
    """Fit RDMs by a weighted sum of the squared differences in single dimensions.

    This is feature-reweighted RSA (Kaniuth & Hebart 2022, doi:10.1016/j.neuroimage.2022.119294) by least squares.
    Weights may be negative: those of dimensions without any effect scatter about zero.

    Parameters
    ----------
    rdms
        (..., pairs)
    features
        (stimuli, dimensions)
    counts
        (resamples, stimuli) how often each stimulus counts, from `bootstrap.draw_stimuli`, or ones.

    Returns
    -------
    array
        (resamples, ..., dimensions) change of the dissimilarity with one standard deviation, over pairs, of a
        dimension's squared differences, all others held; 0 for a dimension that does not vary.

    Raises
    ------
    ValueError
        If RDMs are undefined somewhere, or are of another number of stimuli.
    """
    rows, columns = rdm.pair_indices(len(features))
    if rdms.shape[-1] != len(rows) or not np.isfinite(rdms).all():
        raise ValueError(
            f"RDMs {rdms.shape} must have defined values for {len(rows)} pairs: use `RDMs.of`, `RDMs.at`"
        )
    differences = rdm.standardise((features[rows] - features[columns]).T ** 2) * np.sqrt(len(rows))
    targets = rdms.reshape(-1, len(rows))
    blocks = np.array_split(counts, max(1, len(counts) * len(rows) // BLOCK))
    fitted = [_fit(targets, differences, block[:, rows] * block[:, columns]) for block in blocks]
    return np.concatenate(fitted).reshape(len(counts), *rdms.shape[:-1], features.shape[-1])


def latency_shifts(courses: Reals, times_ms: Reals) -> Reals:
    """How much later than the mean of all people each one's time course is.

    To first order, a course that is late by s is the mean course minus s times its slope, so that s follows from the
    regression on both (Henson et al. 2002, doi:10.1006/nimg.2001.0940), in fractions of a sample. As there, the ratio
    of the two coefficients is bounded, here by its arctangent: in a course without signal it could be anything.

    Parameters
    ----------
    courses
        (..., participants, times, dimensions)
    times_ms
        (times,)

    Returns
    -------
    array
        (..., participants, dimensions) in ms; 0 for dimensions whose mean course is flat.
    """
    mean = courses.mean(-3)
    slope = np.gradient(mean, times_ms, axis=-2)
    # with both of one length the arctangent does not hang on the unit of time
    scale_ms = np.linalg.norm(mean, axis=-2) / (np.linalg.norm(slope, axis=-2) + rdm.TINY)
    basis = np.stack([mean, scale_ms[..., None, :] * slope], axis=-1).swapaxes(-2, -3)
    amplitude, lead = np.einsum("...dkt,...ptd->k...pd", np.linalg.pinv(basis), courses)
    return np.asarray(scale_ms[..., None, :] * np.arctan2(-lead, amplitude))


def centres(courses: Reals, times_ms: Reals) -> Reals:
    """Centre in time, in ms, of what is positive after onset: (..., times, dimensions) to (..., dimensions)."""
    response = times_ms > 0
    positive = courses[..., response, :].clip(min=0)
    return np.asarray(times_ms[response] @ positive / (positive.sum(-2) + rdm.TINY))


def recover(found: Estimate, truth: Reals, *, seed: int) -> Recovery:
    """Set what was found of people against what is true of them.

    Parameters
    ----------
    found
        (participants, dimensions), resampled over stimuli.
    truth
        (participants, dimensions)
    seed
        Of the bootstrap of participants, and of random assignments where there are too many people to try all.

    Returns
    -------
    Recovery
        Over participants and dimensions, both sides double-centred.

    Raises
    ------
    ValueError
        If there is only one participant.
    """
    if len(truth) < 2:
        raise ValueError("what is personal cannot be told of one participant: leave this measure out")
    # exactly zero where nobody differs, so that errors of arithmetic do not pass for differences
    truth = truth - truth[0]
    shares = _draw_shares(len(truth), len(found.resampled), seed=seed)
    value = correlate(found.value, truth, np.full(len(truth), 1 / len(truth)))
    estimate = Estimate(value, correlate(found.resampled, truth, shares))
    return Recovery(estimate, float(recovery_p(found.value, truth, seed=seed)))


def correlate(found: Reals, truth: Reals, shares: Reals) -> Reals:
    """Correlate what was found with what is true, both double-centred, over participants and dimensions.

    Parameters
    ----------
    found, truth
        (..., participants, dimensions)
    shares
        (..., participants) how much each participant counts, in sum 1.

    Returns
    -------
    array
        (...); 0 where either side does not vary.
    """
    first, second = (_double_centre(values, shares) * np.sqrt(shares)[..., None] for values in (found, truth))
    products = [(one * two).sum((-2, -1)) for one, two in ((first, second), (first, first), (second, second))]
    return np.asarray(products[0] / np.sqrt(products[1] * products[2] + rdm.TINY))


def recovery_p(found: Reals, truth: Reals, *, seed: int) -> Reals:
    """Share of the assignments of truths to people that fit as well or better than the true one.

    Parameters
    ----------
    found
        (..., participants, dimensions)
    truth
        (participants, dimensions)
    seed
        Of random assignments, where there are too many participants to try all.

    Returns
    -------
    array
        (...); not-a-number with fewer than 4 participants, of whom no p can be 0.05.
    """
    even = np.full(len(truth), 1 / len(truth))
    return _assignment_p(_double_centre(found, even) @ _double_centre(truth, even).T, seed=seed)


def _recover_order(courses: Estimate, truth: Reals, times_ms: Reals, *, seed: int) -> Recovery:
    """Recover the latencies of factors from courses (participants, times, factors), both as means over people."""
    shares = _draw_shares(len(truth), len(courses.resampled), seed=seed)
    pooled = np.einsum("rp,rptf->rtf", shares, courses.resampled)
    found, mean = centres(courses.value.mean(0), times_ms), truth.mean(0)
    estimate = Estimate(rdm.pearson(found, mean), rdm.pearson(centres(pooled, times_ms), shares @ truth))
    evidence = np.outer(found - found.mean(), mean - mean.mean())
    return Recovery(estimate, float(_assignment_p(evidence, seed=seed)))


def _assignment_p(evidence: Reals, *, seed: int) -> Reals:
    """One-sided p of evidence (..., items, truths): recovery is of the truth, not of its opposite."""
    items = evidence.shape[-1]
    if items < personal.LEAST_PARTICIPANTS:
        return np.full(evidence.shape[:-2], np.nan)
    order = permutation.labellings(items, personal.RANDOM_PERMUTATIONS, seed=seed)
    return personal.assignment_p(evidence, order)


def _pool(rdms: RDMSeries) -> Reals:
    """Mean over times after onset of standardised RDMs, (pairs,); never more than two of them are in memory."""
    pooled, response = np.zeros(rdm.pair_count(len(rdms.stimuli))), rdms.times_ms > 0
    for time in np.flatnonzero(response).tolist():
        pooled += rdm.standardise(rdms.row(time).astype(np.float64)) / response.sum()
    return pooled


def _fit(targets: rdm.Floats, predictors: Reals, weights: Reals) -> Reals:
    """Weighted least squares of (targets, pairs) on (predictors, pairs): (resamples, targets, predictors)."""
    design = np.vstack([np.ones(predictors.shape[-1]), predictors])
    within = np.stack([weights @ (design * row).T for row in design], axis=1)
    between = np.stack([weights @ (targets * row).T for row in design], axis=1)
    coefficients: Reals = np.linalg.pinv(within, rcond=SINGULAR, hermitian=True) @ between
    return coefficients[:, 1:].swapaxes(1, 2)


def _draw_shares(participants: int, resamples: int, *, seed: int) -> Reals:
    """Share of each participant in resamples of them, the same as in all of the evaluation."""
    return bootstrap.draw(participants, resamples, seed=(seed, 1)) / participants


def _double_centre(values: Reals, shares: Reals) -> Reals:
    """Subtract means over dimensions and, by shares, over participants from (..., participants, dimensions)."""
    rows: Reals = values - values.mean(-1, keepdims=True)
    return rows - shares[..., None, :] @ rows


def _resample(
    values: Reals, people: Mapping[str, RDMSeries], features: pd.DataFrame, *, resamples: int, seed: int
) -> Estimate:
    """Profile RDMs (..., pairs) of the stimuli that people saw, as measured and in resamples of these stimuli."""
    stimuli = next(iter(people.values())).stimuli
    if missing := set(stimuli) - set(features.index):
        raise ValueError(f"features: stimulus {min(missing)} is missing; give values for all that the RDMs are of")
    chosen = features.loc[list(stimuli)].to_numpy(dtype=np.float64)
    counts = bootstrap.draw_stimuli(len(stimuli), resamples, seed=(seed, 0))
    as_measured = dimension_profile(values, chosen, np.ones((1, len(stimuli))))
    return Estimate(as_measured[0], dimension_profile(values, chosen, counts))


def _check(people: Mapping[str, RDMSeries]) -> Reals:
    """Give the times, which must be those of all."""
    first = next(iter(people.values()))
    for name, found in people.items():
        if found.stimuli != first.stimuli or not np.array_equal(found.times_ms, first.times_ms):
            raise ValueError(f"the RDMs of {name} have other stimuli or times: use `RDMs.of` and `RDMs.at` first")
    return first.times_ms


def _arrange(truth: pd.DataFrame, column: str, people: Mapping[str, RDMSeries], factors: pd.DataFrame) -> Reals:
    """One column of the truth as (participants, factors)."""
    wide = truth.pivot(index="participant", columns="factor", values=column)
    arranged = wide.reindex(index=list(people), columns=list(factors.columns)).to_numpy(dtype=np.float64)
    if np.isnan(arranged).any():
        raise ValueError(
            "truth: a participant or a factor is missing; give those that were simulated, and only those"
        )
    return arranged
