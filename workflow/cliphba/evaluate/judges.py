"""Do models judge as people do? Each against the RDM of human judgements, and judgement by judgement."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from cliphba import behavior as judgements
from cliphba import rdm
from cliphba.evaluate import alignment, behavior, odd_one_out, permutation, significance
from cliphba.evaluate.alignment import LOWER, UPPER
from cliphba.evaluate.bootstrap import Reals
from cliphba.evaluate.findings import IMAGES, JUDGE_SIGNS, LABELS, Finding, Independence, Procedure, tabulate
from cliphba.evaluate.group import BEHAVIOR, CLIP, GROUP
from cliphba.evaluate.odd_one_out import Accuracies
from cliphba.evaluate.significance import Question
from cliphba.tables import RDMs

logger = logging.getLogger(__name__)

#: The embedding that Behavior was trained to reach, and its RDM: the most that can be expected of Behavior's.
EMBEDDING, CEILING = "embedding", "ceiling"
CONTRAST = f"{BEHAVIOR} - {CLIP}"
#: The RDM of people.
HUMAN = "human"
#: In which tables judgements come: single ones, or no more than their RDM.
KINDS = {"triplets": "triplets", "pairs": "behavior_rdm"}
#: Random halvings of the judgements behind the noise ceiling of the human RDM.
HALVINGS = 20
#: Labels of fewer images cannot be permuted.
LEAST_IMAGES = 4

INDEPENDENCE = {
    HUMAN: Independence(images=False, data=False, people=False),
    CLIP: Independence(images=True, data=True, people=True),
    EMBEDDING: Independence(images=False, data=False, people=False),
    CEILING: Independence(images=False, data=False, people=False),
    LOWER: Independence(images=False, data=True, people=False),
    UPPER: Independence(images=False, data=False, people=False),
}


@dataclass(frozen=True)
class Judged:
    """What people said of some images: single judgements, or no more than an RDM made of such.

    Attributes
    ----------
    stimuli
        Identifiers in the order to be used.
    triplets
        Their judgements, a table of kind ``triplets``; None: only their RDM is known.
    pairs
        That RDM, rows of the source `HUMAN` of a table of kind ``behavior_rdm``; None: it is made of the judgements.
    embedding
        (stimuli, dimensions) their behavioural embedding, indexed by stimulus; None: there is none.
    """

    stimuli: tuple[str, ...]
    triplets: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None
    embedding: pd.DataFrame | None = None

    @classmethod
    def among(
        cls,
        stimuli: Sequence[str],
        *,
        triplets: pd.DataFrame | None = None,
        pairs: pd.DataFrame | None = None,
        embedding: pd.DataFrame | None = None,
    ) -> Judged:
        """Keep to those images that people judged.

        Parameters
        ----------
        stimuli
            Identifiers in order.
        triplets, pairs
            Judgements of these images among others, or an RDM, see the attributes.
        embedding
            As in the attributes; it is left out if it lacks one of the images judged.

        Raises
        ------
        ValueError
            If fewer than 4 of the images were judged.
        """
        named = judgements.judged_stimuli(triplets if pairs is None else pairs, stimuli)
        if len(named) < LEAST_IMAGES:
            raise ValueError(
                f"people judged {len(named)} of {len(stimuli)} test images: give judgements (data.behavior) of "
                f"{LEAST_IMAGES} or more of them, or none"
            )
        if len(named) < len(stimuli):
            logger.warning("people judged %d of %d test images: the others are left out", len(named), len(stimuli))
        if embedding is not None and not set(named) <= set(embedding.index):
            logger.warning("the behavioural embedding lacks images that were judged: it stands nowhere as a ceiling")
            embedding = None
        return cls(tuple(named), triplets, pairs, embedding)

    def human(self) -> RDMs:
        """RDM of the judgements.

        Raises
        ------
        ValueError
            If pairs of images were not judged.
        """
        stimuli = list(self.stimuli)
        if self.pairs is not None:
            return RDMs.static(judgements.pair_dissimilarity(self.pairs, stimuli), stimuli)
        if self.triplets is not None:
            return RDMs.static(judgements.triplet_dissimilarity(self.triplets, stimuli), stimuli)
        raise ValueError("there are no human judgements: give triplets or an RDM")

    def by_dimensions(self) -> dict[str, RDMs]:
        """RDM of the embedding, if there is one, as models have theirs, by correlation over dimensions."""
        return self._of_embedding(CEILING, rdm.correlation_distance)

    def by_choice(self) -> dict[str, RDMs]:
        """RDM of the embedding, if there is one, as its own model of choice has it, by dot products."""
        return self._of_embedding(EMBEDDING, judgements.dot_product_dissimilarity)

    def _of_embedding(self, name: str, dissimilarity: Callable[[Reals], Reals]) -> dict[str, RDMs]:
        if self.embedding is None:
            return {}
        values = self.embedding.loc[list(self.stimuli)].to_numpy()
        return {name: RDMs.static(dissimilarity(values), self.stimuli)}


class _OneByOne(NamedTuple):
    """What comes of single judgements: their table, findings, and how many judges are known."""

    table: pd.DataFrame
    findings: list[Finding]
    judges: int


def evaluate(
    models: Mapping[str, RDMs], judged: Judged, procedure: Procedure, *, images_held_out: bool = True
) -> dict[str, pd.DataFrame]:
    """Set models against human judgements of images that no training saw.

    Parameters
    ----------
    models
        `CLIP` and `BEHAVIOR`, static, and models over time; RDMs of the images judged, in their order. A model over
        time also counts as one without, by the mean of its RDMs after onset.
    judged
        The judgements.
    procedure
        How intervals and p are made. Human RDMs are compared by rank.
    images_held_out
        Whether the images had no part in any target of training.

    Returns
    -------
    dict
        Kind to table: ``behavior_rdm``, ``behavior_course`` and ``summary``; ``odd_one_out``, if single judgements
        are known.

    Raises
    ------
    ValueError
        If pairs of images were not judged.
    """
    human, static = judged.human(), {name: model.without_time() for name, model in models.items()}
    # the embedding is made of judgements, its judges may be those of the judgements
    trained = Independence(images=images_held_out, data=images_held_out, people=False)
    sources = dict.fromkeys((*models, CONTRAST), trained) | INDEPENDENCE
    findings = _agreement({**static, **judged.by_dimensions()}, human, sources, procedure)
    shown = {HUMAN: human} | {name: static[name] for name in (CLIP, BEHAVIOR)}
    tables = {
        "behavior_rdm": _tabulate(shown, sources),
        "behavior_course": _course(models, human, sources, procedure),
    }
    judges = 0
    if judged.triplets is not None:
        one_by_one = _one_by_one(
            {**static, **judged.by_choice()}, judged.triplets, judged.stimuli, sources, procedure
        )
        known = _human_agreement(judged.triplets, judged.stimuli, sources, procedure) if judged.pairs is None else []
        findings += [*known, *one_by_one.findings]
        tables["odd_one_out"], judges = one_by_one.table, one_by_one.judges
    return {**tables, "summary": tabulate(findings, images=len(judged.stimuli), people=judges)}


def _one_by_one(
    models: Mapping[str, RDMs],
    triplets: pd.DataFrame,
    stimuli: Sequence[str],
    sources: Mapping[str, Independence],
    procedure: Procedure,
) -> _OneByOne:
    """Set models against single judgements."""
    found = odd_one_out.Judgements.of(triplets, stimuli)
    accuracies = odd_one_out.measure(models, found, resamples=procedure.resamples, seed=procedure.seed)
    ceilings = _human_ceilings(found, procedure)
    # where judges are not known, who seems to be another may be the same
    other = Independence(images=False, data=True, people=bool(found.judges))
    stated = {**sources, odd_one_out.ANOTHER: other, LOWER: other}
    findings = [
        *_accuracies(accuracies, models, found, sources, procedure),
        *_human_accuracies(ceilings, stated),
    ]
    return _OneByOne(_tabulate_accuracies([accuracies, *ceilings], stated), findings, len(found.judges))


def _agreement(
    models: Mapping[str, RDMs], human: RDMs, sources: Mapping[str, Independence], procedure: Procedure
) -> list[Finding]:
    """Correlation with the human RDM."""
    by_rank = replace(procedure, comparison="spearman")
    found = behavior.agree(models, human, resamples=procedure.resamples, seed=procedure.seed)
    estimates = {**found, CONTRAST: found[BEHAVIOR] - found[CLIP]}
    p = {name: significance.of_static(Question(model, [human]), by_rank) for name, model in models.items()}
    p[CONTRAST] = significance.of_static(Question(models[BEHAVIOR], [human], models[CLIP]), by_rank)
    return [
        Finding(
            "behavior_rho_difference" if name == CONTRAST else "behavior_rho",
            name,
            estimate,
            IMAGES,
            sources[name],
            _person(name),
            p=p[name],
            test=LABELS,
        )
        for name, estimate in estimates.items()
    ]


def _person(model: str) -> str | None:
    """Whose personal model this is."""
    return None if model in (CLIP, BEHAVIOR, GROUP, CONTRAST, EMBEDDING, CEILING) else model


def _human_agreement(
    triplets: pd.DataFrame, stimuli: Sequence[str], sources: Mapping[str, Independence], procedure: Procedure
) -> list[Finding]:
    """Noise ceiling of the correlation with the RDM of judgements, where that can be known."""
    try:
        bounds = odd_one_out.rdm_ceiling(
            triplets,
            stimuli,
            splits=HALVINGS,
            resamples=procedure.resamples,
            seed=procedure.seed,
        )
    except ValueError as reason:
        logger.warning("the human RDM stands without a noise ceiling: %s", reason)
        return []
    return [Finding("behavior_rho", name, bound, IMAGES, sources[name]) for name, bound in bounds.items()]


def _accuracies(
    accuracies: Accuracies,
    models: Mapping[str, RDMs],
    found: odd_one_out.Judgements,
    sources: Mapping[str, Independence],
    procedure: Procedure,
) -> list[Finding]:
    """Share of judgements that models get right."""
    chance = odd_one_out.relabel(
        np.concatenate([model.values for model in models.values()]), found, **procedure.relabelling()
    )
    p = dict(zip(models, permutation.relabelled_p(chance), strict=True))
    each = [
        Finding(
            "odd_one_out_accuracy",
            name,
            accuracies.overall(name)[0],
            accuracies.varies,
            sources[name],
            _person(name),
            p=p[name],
            test=LABELS,
        )
        for name in models
    ]
    return [*each, _accuracy_contrast(accuracies, sources[CONTRAST], procedure)]


def _accuracy_contrast(accuracies: Accuracies, source: Independence, procedure: Procedure) -> Finding:
    """Test over judges where there are enough of them."""
    p, test = np.nan, None
    if len(accuracies.judges) >= significance.LEAST_PEOPLE:
        # points, not shares: judges count by the number of their judgements, as in the difference itself
        gains = accuracies.right[BEHAVIOR].value - accuracies.right[CLIP].value
        p, test = float(permutation.sign_flip_p(gains[:, 0], seed=procedure.seed)), JUDGE_SIGNS
    difference = accuracies.difference(BEHAVIOR, CLIP)[0]
    return Finding("odd_one_out_difference", CONTRAST, difference, accuracies.varies, source, p=p, test=test)


def _human_ceilings(found: odd_one_out.Judgements, procedure: Procedure) -> list[Accuracies]:
    """Give what people can predict of each other, where that can be known."""
    try:
        return [odd_one_out.human_ceiling(found, resamples=procedure.resamples, seed=procedure.seed)]
    except ValueError as reason:
        logger.warning("accuracies stand without a human ceiling: %s", reason)
        return []


def _human_accuracies(ceilings: Sequence[Accuracies], sources: Mapping[str, Independence]) -> list[Finding]:
    return [
        Finding("odd_one_out_accuracy", name, found.overall(name)[0], found.varies, sources[name])
        for found in ceilings
        for name in found.right
    ]


def _tabulate(shown: Mapping[str, RDMs], sources: Mapping[str, Independence]) -> pd.DataFrame:
    parts = [behavior.table({name: one}).assign(**sources[name].columns()) for name, one in shown.items()]
    return pd.concat(parts, ignore_index=True)


def _tabulate_accuracies(found: Sequence[Accuracies], sources: Mapping[str, Independence]) -> pd.DataFrame:
    frame = pd.concat([odd_one_out.table(accuracies) for accuracies in found], ignore_index=True)
    stated = pd.DataFrame([sources[name].columns() for name in frame["model"]])
    return pd.concat([frame, stated], axis=1)


def _course(
    models: Mapping[str, RDMs], human: RDMs, sources: Mapping[str, Independence], procedure: Procedure
) -> pd.DataFrame:
    """Correlation of models over time with the human RDM."""
    dynamic = {name: model for name, model in models.items() if len(model.times_ms) > 1}
    times_ms = next(iter(dynamic.values())).times_ms
    constant = replace(human, times_ms=times_ms, values=np.repeat(human.values, len(times_ms), axis=0))
    found = alignment.measure(
        dynamic, {"human": constant}, resamples=procedure.resamples, seed=procedure.seed, label="dynamic behavior"
    )
    parts = []
    for name, rho in found.rho.items():
        values = pd.DataFrame({"time_ms": times_ms, **rho[0].columns()})
        parts.append(values.assign(model=name, **sources[name].columns()))
    return pd.concat(parts, ignore_index=True)
