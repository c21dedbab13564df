"""Odd-one-out judgements: how many of them a model gets right, how many any model could, and by which judge.

A model is right where the pair that a person kept together is, to the model, the most similar of the three; pairs
that tie share the point. Chance is 1/3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba import behavior, rdm
from cliphba.evaluate import bootstrap
from cliphba.evaluate.alignment import LOWER, UPPER
from cliphba.evaluate.bootstrap import Comparable, Estimate, Reals
from cliphba.evaluate.findings import IMAGES, PEOPLE_AND_IMAGES
from cliphba.evaluate.permutation import labellings
from cliphba.tables import RDMSeries

CHANCE = 1 / 3

#: Predicting a judgement by what one other person said of the same triplet.
ANOTHER = "another judge"

# Judgements whose weights are held at once, in all resamples: larger blocks fall out of the processor's cache.
BLOCK = 250

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Judgements:
    """Odd-one-out judgements of stimuli in a given order.

    Attributes
    ----------
    stimuli
        Identifiers in order.
    triplets
        (judgements, 3) positions of stimuli: the two kept together, then the odd one.
    judges
        Who judged; empty where that is not known.
    judge
        (judgements,) position of each judgement's judge; all 0 where judges are not known.
    """

    stimuli: tuple[str, ...]
    triplets: Indices
    judges: tuple[str, ...]
    judge: Indices

    @classmethod
    def of(cls, triplets: pd.DataFrame, stimuli: Sequence[str]) -> Judgements:
        """Find the judgements of some stimuli.

        Parameters
        ----------
        triplets
            Table of kind ``triplets``: first, second (kept together), odd, participant (missing in all rows where
            judges are not known).
        stimuli
            Identifiers in the order of the RDMs; judgements of other stimuli are ignored.

        Raises
        ------
        ValueError
            If no judgement is left, one names a stimulus twice, or some but not all name their judge.
        """
        codes = behavior.triplet_positions(triplets, stimuli)
        about = (codes >= 0).all(axis=1)
        if not about.any():
            raise ValueError(
                f"none of {len(codes)} judgements is of three of these {len(stimuli)} stimuli: give others"
            )
        positions = codes[about]
        if (np.diff(np.sort(positions, axis=1), axis=1) == 0).any():
            raise ValueError("a judgement names a stimulus twice: remove it from the table of triplets")
        judge, judges = pd.factorize(triplets["participant"].to_numpy()[about], sort=True)
        if len(judges) and (judge < 0).any():
            raise ValueError("some judgements do not say whose they are: name the participant of all or of none")
        return cls(tuple(stimuli), positions, tuple(judges), np.maximum(judge, 0))

    def those(self, chosen: Indices | NDArray[np.bool_]) -> Judgements:
        """Keep some of the judgements, and those who made them."""
        judges, judge = np.unique(self.judge[chosen], return_inverse=True)
        names = tuple(self.judges[index] for index in judges) if self.judges else ()
        return replace(self, triplets=self.triplets[chosen], judges=names, judge=judge)

    @property
    def pairs(self) -> Indices:
        """(judgements, 3) places in an RDM: the pair kept together, then the two others."""
        first, second, odd = self.triplets.T
        pairs = [(first, second), (first, odd), (second, odd)]
        return np.stack([_place(*pair, len(self.stimuli)) for pair in pairs], axis=1)

    @property
    def person(self) -> Indices:
        """(judgements,) who judged; where that is not known, somebody else each time."""
        return self.judge if self.judges else np.arange(len(self.judge))


@dataclass(frozen=True)
class Accuracies:
    """How many judgements are predicted, by each judge, from one set of bootstrap resamples.

    Attributes
    ----------
    judges
        Who judged; empty where that is not known, all counting as one then.
    times_ms
        For each model (times,); static models have one entry, not-a-number.
    right
        For each model an estimate (judges, times), resampled over stimuli: points won; not-a-number at times where
        the model is undefined.
    judged
        (judges,) number of judgements; in resamples, the sum of their weights.
    draws
        (resamples, judges) how often each judge was drawn.
    """

    judges: tuple[str, ...]
    times_ms: Mapping[str, Reals]
    right: Mapping[str, Estimate]
    judged: Estimate
    draws: Reals

    @property
    def varies(self) -> str:
        """What varies in the intervals of `overall` and `difference`."""
        return PEOPLE_AND_IMAGES if len(self.judges) > 1 else IMAGES

    def overall(self, model: str) -> Estimate:
        """Share of all judgements that a model gets right, (times,); stimuli and judges vary jointly.

        A resample weighs a judgement by the product of how often its three stimuli and its judge were drawn. What is
        peculiar to one judgement thereby counts seven times in the variance over stimuli (the mean square of such a
        product is 8, less 1), once in that over judges, fifteen times in the joint one. The variance that is used,
        as in `Estimate.mean_over_participants`, is twice the sum of the first two less the joint one: it counts once
        all that differs between judges, single judgements included. What all judges share counts once if it belongs
        to a stimulus, three times if to a pair, seven times if to a triplet: with few stimuli, such intervals are
        cautious. Where judges are not known, or there is one, only stimuli vary.
        """
        return self._share(self.right[model])

    def after_onset(self) -> Accuracies:
        """Average over times after onset: one entry for each model; static models stay as they are."""
        right = {model: _after_onset(points, self.times_ms[model]) for model, points in self.right.items()}
        return replace(self, times_ms=dict.fromkeys(right, np.array([np.nan])), right=right)

    def difference(self, model: str, other: str) -> Estimate:
        """Accuracy of a model less that of another, (times,); stimuli and judges vary jointly, see `overall`."""
        return self._share(self.right[model] - self.right[other])

    def over_judges(self, model: str) -> Estimate:
        """Share of all judgements that a model gets right, (times,); judges vary, the stimuli are as they are.

        Raises
        ------
        ValueError
            If judges are not known or there is only one.
        """
        if len(self.judges) < 2:
            raise ValueError("an interval over judges needs two or more of them: use `overall`, where stimuli vary")
        right = self.right[model].value
        return Estimate(right.sum(0) / self.judged.value.sum(), self._over_judges(right))

    def by_judge(self, model: str) -> Estimate:
        """Share of each judge's judgements that a model gets right, (judges, times); stimuli vary.

        Not-a-number in resamples that leave a judge without a judgement.
        """
        right = self.right[model]
        return Estimate(
            _ratio(right.value, self.judged.value[:, None]),
            _ratio(right.resampled, self.judged.resampled[..., None]),
        )

    def _share(self, right: Estimate) -> Estimate:
        stimuli = _ratio(right.resampled.sum(1), self.judged.resampled.sum(1)[:, None])
        jointly = _ratio(
            np.einsum("rj,rjt->rt", self.draws, right.resampled),
            np.einsum("rj,rj->r", self.draws, self.judged.resampled)[:, None],
        )
        value = right.value.sum(0) / self.judged.value.sum()
        people = self._over_judges(right.value)
        judges = max(len(self.judges), 1)
        return Estimate(value, bootstrap.count_noise_once(jointly, stimuli, people, participants=judges, repeats=7))

    def _over_judges(self, right: Reals) -> Reals:
        return _ratio(self.draws @ right, (self.draws @ self.judged.value)[:, None])


def correctness(dissimilarity: rdm.Floats, pairs: Indices) -> Reals:
    """Tell which judgements a model predicts.

    Parameters
    ----------
    dissimilarity
        (..., pairs); not-a-number where the model is undefined.
    pairs
        (judgements, 3) places in the RDM, the pair kept together first, from `Judgements.pairs`.

    Returns
    -------
    array
        (..., judgements): 1 where the pair kept together is the least dissimilar, 1/2 or 1/3 where it ties with
        others, else 0; not-a-number where the model is undefined.
    """
    three = dissimilarity[..., pairs]
    least = three.min(-1, keepdims=True)
    ties = np.equal(three, least)
    # nothing equals what is undefined
    return np.where(np.isnan(least[..., 0]), np.nan, ties[..., 0] / np.maximum(ties.sum(-1), 1))


def measure(models: Mapping[str, RDMSeries], judgements: Judgements, *, resamples: int, seed: int) -> Accuracies:
    """Set models against judgements, as measured and in bootstrap resamples of stimuli and judges.

    In memory are the points of one model: eight bytes for each judgement and time.

    Parameters
    ----------
    models
        Name to RDMs of the stimuli judged, static or over time. For an embedding that SPoSE made, its own model of
        choice goes by dot products: `behavior.dot_product_dissimilarity`.
    judgements
        Of the same stimuli in the same order.
    resamples, seed
        Number and seed of the bootstrap resamples; stimuli are resampled as by `alignment.measure`.

    Returns
    -------
    Accuracies
        Of every model.

    Raises
    ------
    ValueError
        If a model has other stimuli or another order.
    """
    for name, model in models.items():
        if model.stimuli != judgements.stimuli:
            raise ValueError(f"the RDMs of {name} have other stimuli than were judged: use `RDMs.of` first")
    pairs = judgements.pairs
    times_ms = {name: model.times_ms for name, model in models.items()}
    points = (
        np.stack([correctness(model.row(time), pairs) for time in range(len(model.times_ms))])
        for model in models.values()
    )
    return _resample(zip(models, points, strict=True), times_ms, judgements, resamples=resamples, seed=seed)


def human_ceiling(judgements: Judgements, *, resamples: int, seed: int) -> Accuracies:
    """How well people predict judgements, where several people judged the same triplet.

    The best that a model can do, as it always gives the same answer, is the average chance of a triplet's most
    likely answer. That is unknown, but lies, for people who judge alike, between what is expected of `LOWER` and of
    `UPPER` (the idea of Nili et al. 2014, doi:10.1371/journal.pcbi.1003553). Judgements of a triplet by the judge's
    own self are not counted among the others: people repeat themselves more than they agree.

    Parameters
    ----------
    judgements
        Those of triplets that nobody else judged are left out, see `repeated`.
    resamples, seed
        As given to `measure` for the models.

    Returns
    -------
    Accuracies
        In place of models `ANOTHER`, one judgement by somebody else (of several, the average); `LOWER`, what most
        others said; `UPPER`, what most said, the judge included, which no model can exceed on these judgements. Ties
        share the point. With two judgements of each triplet, `LOWER` is `ANOTHER`, and `UPPER` lies halfway to 1.
        Predictions are taken as given when resampling.

    Raises
    ------
    ValueError
        If no triplet was judged by two people.
    """
    twice = repeated(judgements)
    answers, others = _answers(twice)
    scores = {
        ANOTHER: others[:, 0] / others.sum(1),
        LOWER: _first_is_greatest(others),
        UPPER: _first_is_greatest(answers),
    }
    static = dict.fromkeys(scores, np.array([np.nan]))
    points = ((name, one[None]) for name, one in scores.items())
    return _resample(points, static, twice, resamples=resamples, seed=seed)


def repeated(judgements: Judgements) -> Judgements:
    """Judgements of triplets that somebody else judged, too.

    Raises
    ------
    ValueError
        If there are none.
    """
    _, others = _answers(judgements)
    again = others.sum(axis=1) > 0
    if not again.any():
        raise ValueError("no triplet was judged by two people: there is no human ceiling to be had; leave it out")
    return judgements.those(again)


def relabel(dissimilarity: rdm.Floats, judgements: Judgements, *, permutations: int, seed: int) -> Reals:
    """Accuracy less chance, while the model's stimuli are relabelled.

    If the model knows nothing of what people judged by, any labelling is as good as the true one. Over all labellings
    the mean is exactly zero. `permutation.relabelled_p` and `permutation.corrected_p` turn the result, or means of
    it over times, into p, for these judges as they are.

    Parameters
    ----------
    dissimilarity
        (..., pairs); not-a-number where the model is undefined.
    judgements
        Of the same stimuli in the same order.
    permutations, seed
        Number and seed of the labellings, see `permutation.labellings`.

    Returns
    -------
    array
        (permutations, ...), the first with the true labels; not-a-number where the model is undefined.
    """
    stimuli = len(judgements.stimuli)
    order = labellings(stimuli, permutations, seed=seed)
    triplets, counts = _tally(judgements)
    flat = np.ascontiguousarray(dissimilarity.reshape(-1, dissimilarity.shape[-1]).T)
    points = np.zeros((len(order), flat.shape[1]))
    _relabelled_points(flat, triplets, counts, order, points)
    accuracy = points.reshape(len(order), *dissimilarity.shape[:-1]) / len(judgements.triplets)
    return np.where(np.isfinite(dissimilarity).all(-1), accuracy - CHANCE, np.nan)


def rdm_ceiling(
    triplets: pd.DataFrame, stimuli: Sequence[str], *, splits: int, resamples: int, seed: int
) -> dict[str, Estimate]:
    """Noise ceiling of the correlation of models with the RDM of all judgements, `behavior.triplet_dissimilarity`.

    Lower: the mean Spearman correlation r of the RDMs of two random halves of the judgements. Upper: the correlation
    of the RDM of all judgements with one from endlessly many, sqrt(2 r / (1 + r)): the reliability of all from that
    of halves (Spearman 1910, doi:10.1111/j.2044-8295.1910.tb00206.x; Brown 1910,
    doi:10.1111/j.2044-8295.1910.tb00207.x), and its root, as a model is free of noise (Spearman 1904,
    doi:10.2307/1412159; Lage-Castellanos et al. 2019, doi:10.1371/journal.pcbi.1006397). It is exact for Pearson
    correlation and judgements with independent noise, close for ranks. It is what can be expected of a perfect model;
    by chance one may do better.

    Parameters
    ----------
    triplets
        Table of kind ``triplets``.
    stimuli
        Order of the RDM.
    splits
        Number of random halvings.
    resamples, seed
        As given to `behavior.agree` for the models; seed also of the halvings.

    Returns
    -------
    dict
        `LOWER` and `UPPER`, scalar estimates over stimuli; the judgements are as they are.

    Raises
    ------
    ValueError
        If a pair was not presented in both halves.
    """
    halves = behavior.split_half_dissimilarities(triplets, list(stimuli), splits=splits, seed=seed)
    counts = bootstrap.draw_stimuli(len(stimuli), resamples, seed=(seed, 0))
    first, second = ([Comparable(values, "spearman") for values in half] for half in halves)
    pairs = [([one], [other]) for one, other in zip(first, second, strict=True)]
    value = np.stack([bootstrap.compare(*pair)[0, 0] for pair in pairs])
    resampled = np.stack([bootstrap.resample(*pair, counts)[:, 0, 0] for pair in pairs], axis=1)
    lower = Estimate(value, resampled).map(lambda rho: rho.mean(-1))
    return {LOWER: lower, UPPER: lower.map(lambda r: np.sqrt(np.maximum(2 * r / (1 + r), 0)))}


def table(accuracies: Accuracies) -> pd.DataFrame:
    """Tabulate accuracies, averaged over times after onset.

    Returns
    -------
    DataFrame
        Columns model, judge, judgements, value, low, high, varies. Rows without a judge are of all judgements, with
        an interval over images and people; the others have an interval over images.
    """
    averaged, judged = accuracies.after_onset(), accuracies.judged.value
    parts = []
    for model in averaged.right:
        everybody = _row(averaged.overall(model)).assign(judge=None, judgements=judged.sum(), varies=averaged.varies)
        judges = _row(averaged.by_judge(model).map(lambda share: share[..., 0]))
        own = judges.assign(judge=averaged.judges, judgements=judged, varies=IMAGES) if averaged.judges else None
        parts.append(pd.concat([everybody, own]).assign(model=model))
    columns = ["model", "judge", "judgements", "value", "low", "high", "varies"]
    return pd.concat(parts, ignore_index=True)[columns].astype({"judgements": int})


def _after_onset(points: Estimate, times_ms: Reals) -> Estimate:
    """Average (..., times) over times after onset, or over the one time of a static model, to (..., 1)."""
    shown = (times_ms > 0) | np.isnan(times_ms)
    return points.map(lambda values: values[..., shown].mean(-1, keepdims=True))


def _row(share: Estimate) -> pd.DataFrame:
    return pd.DataFrame(share.columns())


def _resample(
    points: Iterable[tuple[str, Reals]],
    times_ms: Mapping[str, Reals],
    judgements: Judgements,
    *,
    resamples: int,
    seed: int,
) -> Accuracies:
    """Add up points of each model, (times, judgements), by judge and resample."""
    counts = bootstrap.draw_stimuli(len(judgements.stimuli), resamples, seed=(seed, 0))
    judged = _sum_by_judge(np.ones((1, len(judgements.judge))), judgements, counts)
    return Accuracies(
        judgements.judges,
        times_ms,
        {model: _sum_by_judge(won, judgements, counts) for model, won in points},
        judged.map(lambda number: number[..., 0]),
        bootstrap.draw(len(judged.value), resamples, seed=(seed, 2)),
    )


def _sum_by_judge(points: Reals, judgements: Judgements, counts: Reals) -> Estimate:
    """Add up points, (times, judgements), to (judges, times); counts are (resamples, stimuli)."""
    judges = max(1, len(judgements.judges))
    value, resampled = np.zeros((judges, len(points))), np.zeros((judges, len(points), len(counts)))
    # a stimulus's counts side by side
    drawn = np.ascontiguousarray(counts.T)
    for judge in range(judges):
        own = np.flatnonzero(judgements.judge == judge)
        value[judge] = points[:, own].sum(1)
        for start in range(0, len(own), BLOCK):
            block = own[start : start + BLOCK]
            first, second, odd = judgements.triplets[block].T
            resampled[judge] += points[:, block] @ (drawn[first] * drawn[second] * drawn[odd])
    return Estimate(value, np.moveaxis(resampled, 2, 0))


def _ratio(part: Reals, whole: Reals) -> Reals:
    """Divide; not-a-number where nothing is left to divide by."""
    share = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


@numba.njit(cache=True, error_model="numpy")
def _place(first: Indices, second: Indices, stimuli: int) -> Indices:
    """Where an RDM keeps a pair of different stimuli."""
    row, column = np.minimum(first, second), np.maximum(first, second)
    place: Indices = row * (2 * stimuli - row - 1) // 2 + column - row - 1
    return place


def _answers(judgements: Judgements) -> tuple[Indices, Indices]:
    """Count answers to the triplet of each judgement: all people's, and those of people other than its own judge.

    Both (judgements, 3): how many kept the same pair together, and each of the two other pairs.
    """
    triplet, answer = _triplet_and_answer(judgements)
    person = judgements.person
    _, own = np.unique(triplet * (person.max() + 1) + person, return_inverse=True)
    order = (answer[:, None] + np.arange(3)) % 3
    everybody, oneself = (np.take_along_axis(_count(group, answer)[group], order, axis=1) for group in (triplet, own))
    return everybody, everybody - oneself


def _triplet_and_answer(judgements: Judgements) -> tuple[Indices, Indices]:
    """Which triplet each judgement is of, from 0, and the odd one's place among its stimuli in ascending order."""
    stimuli = len(judgements.stimuli)
    ascending = np.sort(judgements.triplets, axis=1)
    _, triplet = np.unique(ascending @ np.array([stimuli**2, stimuli, 1]), return_inverse=True)
    return triplet, (ascending < judgements.triplets[:, 2:]).sum(1)


def _count(group: Indices, answer: Indices) -> Indices:
    """How often each group gave each of three answers, (groups, 3)."""
    return np.bincount(group * 3 + answer, minlength=3 * (group.max() + 1)).reshape(-1, 3)


def _first_is_greatest(counts: Indices) -> Reals:
    """1 where the first of several counts, (..., 3), is the greatest, its share where it ties, else 0: (...)."""
    greatest = counts == counts.max(-1, keepdims=True)
    return np.asarray(greatest[..., 0] / greatest.sum(-1))


def _tally(judgements: Judgements) -> tuple[Indices, Reals]:
    """Triplets, (triplets, 3), and how often the first, second, and third stimulus of each was the odd one."""
    triplet, answer = _triplet_and_answer(judgements)
    _, example = np.unique(triplet, return_index=True)
    return np.sort(judgements.triplets[example], axis=1), _count(triplet, answer).astype(np.float64)


@numba.njit(cache=True, error_model="numpy")
def _relabelled_points(
    dissimilarity: rdm.Floats, triplets: Indices, counts: Reals, order: Indices, out: Reals
) -> None:
    """Add up points, (labellings, RDMs), of RDMs (pairs, RDMs).

    Loops, because array expressions would gather all triplets of all RDMs anew for every labelling.
    """
    stimuli = order.shape[1]
    for labelling in range(len(order)):
        for triplet in range(len(triplets)):
            first = order[labelling, triplets[triplet, 0]]
            second = order[labelling, triplets[triplet, 1]]
            third = order[labelling, triplets[triplet, 2]]
            without_first = dissimilarity[_place(second, third, stimuli)]
            without_second = dissimilarity[_place(first, third, stimuli)]
            without_third = dissimilarity[_place(first, second, stimuli)]
            for index in range(dissimilarity.shape[1]):
                least = min(without_first[index], without_second[index], without_third[index])
                is_first, is_second = without_first[index] == least, without_second[index] == least
                is_third = without_third[index] == least
                won = is_first * counts[triplet, 0] + is_second * counts[triplet, 1] + is_third * counts[triplet, 2]
                out[labelling, index] += won / (is_first + is_second + is_third)
