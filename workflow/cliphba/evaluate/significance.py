"""Which alignments, and which differences between models, could be chance.

Whether a result holds for people in general, if there are enough of them: signs of participants are flipped, images
fixed. And whether it holds for other images: labels of images are permuted, people fixed. The first does not answer
the second. People share the geometry of the very images they were shown, and a model that has nothing to do with it
correlates with it a little, by chance, in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cliphba import rdm
from cliphba.evaluate import permutation
from cliphba.evaluate.alignment import area_under_curve
from cliphba.evaluate.bootstrap import Reals
from cliphba.evaluate.findings import LABELS, SIGNS, Procedure
from cliphba.rdm import Comparison
from cliphba.tables import RDMSeries

#: Fewer people than this reach no p of 0.05 by flipping signs.
LEAST_PEOPLE = 6


@dataclass(frozen=True)
class Significance:
    """Result of a test over time.

    Attributes
    ----------
    area_p
        Of the area under the curve after stimulus onset.
    time_p
        (times,) corrected for the number of times; not-a-number up to onset.
    test
        What was permuted.
    people
        The same asked of people, images being fixed; None where there are too few, or it is asked of one.
    """

    area_p: float
    time_p: Reals
    test: str
    people: Significance | None = None

    def columns(self) -> dict[str, Any]:
        """Give what a `Finding` says of the test of the area."""
        beside = np.nan if self.people is None else self.people.area_p
        return {"p": self.area_p, "test": self.test, "p_people": beside}


@dataclass(frozen=True)
class Question:
    """Whether a model aligns with participants, or better than another model does.

    Attributes
    ----------
    model
        The model.
    measured
        RDMs of one participant, or of some whose mean alignment is asked for.
    against
        The model it is compared with; None: whether it is aligned at all.
    """

    model: RDMSeries
    measured: Sequence[RDMSeries]
    against: RDMSeries | None = None


def of_mean(curves: Reals, questions: Sequence[Question], procedure: Procedure) -> Significance:
    """Test a mean over participants, over images and, if there are enough of them, over people.

    The test over people takes the images as they are: a model that by chance has something in common with what all
    people share would stand it. It says something only where the test over images does, too.

    Parameters
    ----------
    curves
        (participants, times) what the mean is of.
    questions
        The same as questions about RDMs.
    procedure
        Number and seed of permutations, and how RDMs are compared.

    Returns
    -------
    Significance
        Over images, with that over people beside it. Cosines of RDMs are large whatever the model, so that it is no
        question whether those of people differ from zero.
    """
    images = over_images(questions, procedure)
    if len(curves) < LEAST_PEOPLE or procedure.comparison == "cosine":
        return images
    people = over_people(curves, questions[0].measured[0].times_ms, seed=procedure.seed)
    return replace(images, people=people)


def over_people(curves: Reals, times_ms: Reals, *, seed: int) -> Significance:
    """Test whether curves differ from zero in the population of people, the images being fixed.

    Parameters
    ----------
    curves
        (participants, times) alignments, or differences of two models' alignments.
    times_ms
        (times,).
    seed
        Of random sign flips, where there are too many participants to try all.

    Returns
    -------
    Significance
        Times by clusters (Maris & Oostenveld 2007, doi:10.1016/j.jneumeth.2007.03.024): the p of a time is that of
        its cluster, so that it says that there is an effect, not exactly when.

    Raises
    ------
    ValueError
        If there are too few participants to reach any p of interest.
    """
    response = times_ms > 0
    time_p = np.full(len(times_ms), np.nan)
    time_p[response] = permutation.sign_flip_clusters(curves[:, response], seed=seed).p
    areas = area_under_curve(curves, times_ms)
    return Significance(float(permutation.sign_flip_p(areas, seed=seed)), time_p, SIGNS)


def over_images(questions: Sequence[Question], procedure: Procedure) -> Significance:
    """Test whether models align, or differ, beyond the labels of images, the people being fixed.

    Parameters
    ----------
    questions
        The mean over them is tested, such as that of personal models with their participants. Either all or none
        compare two models.
    procedure
        How RDMs are compared (cosines are tested as Pearson correlations: that images which differ more to a model
        differ more to people, not that all images differ); number and seed of the random relabellings.

    Returns
    -------
    Significance
        Times corrected by the largest value over times in each relabelling (Nichols & Holmes 2002,
        doi:10.1002/hbm.1058).
    """
    times_ms = questions[0].measured[0].times_ms
    if procedure.comparison == "cosine" and questions[0].against is not None:
        # relabelling tests the difference of Pearson correlations, which can have the other sign
        return Significance(np.nan, np.full(len(times_ms), np.nan), LABELS)
    response = np.flatnonzero(times_ms > 0)
    weights = area_under_curve(np.eye(len(times_ms)), times_ms)[response]
    judge = _relabel if questions[0].against is None else _relabel_contrasts
    chance, area = judge(questions, response, weights, procedure)
    time_p = np.full(len(times_ms), np.nan)
    time_p[response] = permutation.corrected_p(chance)
    return Significance(float(permutation.relabelled_p(area)), time_p, LABELS)


def of_static(question: Question, procedure: Procedure) -> float:
    """Give p over images where nothing has a time course, such as agreement with human judgements."""
    judge = _relabel if question.against is None else _relabel_contrasts
    _, whole = judge([question], np.zeros(1, np.intp), np.ones(1), procedure)
    return float(permutation.relabelled_p(whole))


def _relabel(
    questions: Sequence[Question], times: NDArray[np.intp], weights: Reals, procedure: Procedure
) -> tuple[Reals, Reals]:
    """Statistics (permutations, times) and of their weighted sum (permutations,), the first with true labels."""
    chance = np.stack(
        [np.mean([_correlate(one, time, procedure) for one in questions], axis=0) for time in times], -1
    )
    return chance, chance @ weights


def _relabel_contrasts(
    questions: Sequence[Question], times: NDArray[np.intp], weights: Reals, procedure: Procedure
) -> tuple[Reals, Reals]:
    """Do the same for differences of two models, each of which comes in parts, one for each stimulus."""
    chance, whole = [], np.zeros(())
    for time, weight in zip(times, weights, strict=True):
        parts = np.mean([_contrast(one, time, procedure) for one in questions], axis=0)
        chance.append(permutation.studentise(parts))
        whole = whole + weight * parts
    return np.stack(chance, axis=-1), permutation.studentise(whole)


def _correlate(question: Question, time: int, procedure: Procedure) -> Reals:
    """(permutations,)."""
    model, measured = _unit([question.model], time, procedure), _unit(question.measured, time, procedure)
    return permutation.relabel(model[None], measured[None], **procedure.relabelling())[:, 0]


def _contrast(question: Question, time: int, procedure: Procedure) -> Reals:
    """(permutations, stimuli)."""
    first, second = (_unit([one], time, procedure) for one in (question.model, question.against) if one is not None)
    measured = _unit(question.measured, time, procedure)
    return permutation.relabel_contrast(first, second, measured, **procedure.relabelling())


def _unit(sources: Sequence[RDMSeries], time: int, procedure: Procedure) -> Reals:
    """Mean over sources of their RDMs as vectors of unit length, (pairs,)."""
    # relabelling does not change the means that tell cosine from Pearson
    centred: Comparison = "pearson" if procedure.comparison == "cosine" else procedure.comparison
    rows = np.stack([one.row(int(time) if len(one.times_ms) > 1 else 0) for one in sources])
    mean: Reals = rdm.unit(rows, centred).mean(0)
    return mean
