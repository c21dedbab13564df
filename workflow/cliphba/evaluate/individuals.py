"""Is a personal model that of its own person? Each against everybody's recordings, beside what is not personal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cliphba.evaluate import alignment, differences, latencies, personal, second_order, significance
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import (
    ASSIGNMENT,
    IMAGES,
    PEOPLE_AND_IMAGES,
    PEOPLE_LABELS,
    Finding,
    Independence,
    Procedure,
    tabulate,
)
from cliphba.evaluate.group import GROUP, course
from cliphba.evaluate.significance import Question, Significance
from cliphba.tables import Embedding, RDMs

PERSONAL, MODEL_FREE = "personal", "model-free"
GAIN = f"{PERSONAL} - {GROUP}"
#: The same person in other sessions, shown the same images: what the data allow, whatever the model.
OTHER_HALF = Independence(images=False, data=True, people=False)
#: Of what is no prediction: measurements as they are, or what was fitted.
NOTHING = Independence(images=False, data=False, people=False)
#: Where participants can be compared with each other.
MODELS, MEG, OTHER_MEG = "models", "MEG", "MEG, other half"


@dataclass(frozen=True)
class People:
    """Models and measurements of the participants, all of the same images.

    Attributes
    ----------
    embeddings
        Participant to what their model gives for the images.
    group
        RDMs of the group model.
    measured, other_half
        Participant to RDMs: those that models are compared with, and those of the other half of the data; None: there
        is no other half.
    reweighting
        Weights of the blocks in every personal model, a table of kind ``reweighting``.
    """

    embeddings: Mapping[str, Embedding]
    group: RDMs
    measured: Mapping[str, RDMs]
    other_half: Mapping[str, RDMs] | None
    reweighting: pd.DataFrame

    def models(self) -> dict[str, RDMs]:
        """RDMs of every participant's model at the times of the measurements."""
        missing = self.measured.keys() - self.embeddings.keys()
        if missing:
            raise ValueError(f"participant {min(missing)} has no personal model: train one, or leave them out")
        first = next(iter(self.measured.values()))
        return {name: self.embeddings[name].rdms(first.stimuli).at(first.times_ms) for name in self.measured}


def evaluate(people: People, procedure: Procedure, *, independence: Independence) -> dict[str, pd.DataFrame]:
    """Set personal models against the brains of all participants.

    Parameters
    ----------
    people
        Their models and measurements.
    procedure
        How RDMs are compared, and how intervals and p are made.
    independence
        Of personal models from the measurements they are compared with.

    Returns
    -------
    dict
        Kind to table: ``alignment``, ``contrast`` and ``latency`` (of personal models), ``identification``,
        ``differences``, ``second_order`` and ``summary``. Tests that the number of participants puts out of reach are
        left out; without another half, so are all rows of it and what it predicts, `MODEL_FREE`.

    Raises
    ------
    ValueError
        If a participant has no model.
    """
    models = people.models()
    found = alignment.measure({**models, GROUP: people.group}, people.measured, **procedure.bootstrap())
    sources = {PERSONAL: (found, independence)}
    if people.other_half is not None:
        halves = alignment.measure(people.other_half, people.measured, **procedure.bootstrap())
        sources[MODEL_FREE] = (halves, OTHER_HALF)
    own = _test_each(models, people.measured, None, procedure)
    gains = _test_each(models, people.measured, people.group, procedure)
    mean = _test_mean(found, models, people, procedure)
    spaces = _spaces(models, people, procedure)
    findings = [
        *_areas(found, own, gains, mean, independence),
        *(row for name, source in sources.items() for row in identification(name, *source, seed=procedure.seed)),
        *(row for name, source in sources.items() for row in _margins(name, *source)),
        *_second_order(spaces, len(models), procedure, independence),
    ]
    return {
        "alignment": _curves(found, own, independence),
        "contrast": course(found, GAIN, _gain(found), mean, independence).rename(
            columns={"model": "contrast", "rho": "value"}
        ),
        "latency": latencies.table(PERSONAL, found.own(), found.times_ms, found.participants, found.draws).assign(
            **independence.columns()
        ),
        "identification": _matrices(sources),
        "differences": _differences(found, people, spaces, procedure, independence),
        "second_order": _tabulate_spaces(spaces, found.participants, independence),
        "summary": tabulate(findings, images=len(people.group.stimuli), people=len(people.measured)),
    }


def _test_each(
    models: Mapping[str, RDMs], measured: Mapping[str, RDMs], against: RDMs | None, procedure: Procedure
) -> dict[str, Significance]:
    """Test each personal model on its own participant, over images."""
    return {
        name: significance.over_images([Question(models[name], [one], against)], procedure)
        for name, one in measured.items()
    }


def _test_mean(found: Alignments, models: Mapping[str, RDMs], people: People, procedure: Procedure) -> Significance:
    """Test the mean gain over the group model."""
    questions = [Question(models[name], [one], people.group) for name, one in people.measured.items()]
    return significance.of_mean(_gain(found).value, questions, procedure)


def _gain(found: Alignments) -> Estimate:
    """By how much own models align better than the group model, (participants, times)."""
    return found.own() - found.rho[GROUP]


def _areas(
    found: Alignments,
    own: Mapping[str, Significance],
    gains: Mapping[str, Significance],
    mean: Significance,
    independence: Independence,
) -> list[Finding]:
    """Alignment of each model with its own participant, and what it gains over the group model."""
    area = found.own().map(found.area)
    gain = _gain(found).map(found.area)
    each = [
        Finding(metric, name, estimate[index], IMAGES, independence, name, **tested[name].columns())
        for metric, estimate, tested in (("own_alignment_auc", area, own), ("own_alignment_gain", gain, gains))
        for index, name in enumerate(found.participants)
    ]
    over_all = gain.mean_over_participants(found.draws)
    return [
        *each,
        Finding("own_alignment_gain", GAIN, over_all, PEOPLE_AND_IMAGES, independence, **mean.columns()),
    ]


def identification(source: str, found: Alignments, independence: Independence, *, seed: int) -> list[Finding]:
    """Identify participants by what predicts them; no p where there are too few of them for any.

    Parameters
    ----------
    source
        What predicts: `PERSONAL` models, or, `MODEL_FREE`, RDMs of the same people from other sessions.
    found
        Alignments of one prediction a participant, named as the participant.
    independence
        Of what predicts.
    seed
        Of random assignments of participants to predictions, where not all are tried.
    """
    matrix = personal.similarity(found)
    p: dict[str, float] = {}
    if len(found.participants) >= personal.LEAST_PARTICIPANTS:
        tested = personal.identify(matrix.value, seed=seed)
        p = {"accuracy": float(tested.accuracy_p), "margin": float(tested.margin_p)}
    quantities = {"accuracy": personal.accuracy, "margin": personal.margin, "rank": personal.mean_rank}
    return [
        Finding(
            f"identification_{name}",
            source,
            matrix.map(quantity),
            IMAGES,
            independence,
            p=p.get(name, np.nan),
            test=ASSIGNMENT if name in p else None,
        )
        for name, quantity in quantities.items()
    ]


def _margins(source: str, found: Alignments, independence: Independence) -> list[Finding]:
    """By how much each prediction fits its own participant better than the others."""
    margins = personal.similarity(found).map(personal.margins)
    return [
        Finding("identification_margin", source, margins[index], IMAGES, independence, name)
        for index, name in enumerate(found.participants)
    ]


def _spaces(models: Mapping[str, RDMs], people: People, procedure: Procedure) -> dict[str, Estimate]:
    """RDMs of participants: by their models, their recordings, the other half of their recordings if there is one."""
    spaces: dict[str, Mapping[str, RDMs]] = {MODELS: models, MEG: people.measured}
    if people.other_half is not None:
        spaces[OTHER_MEG] = people.other_half
    return {
        name: second_order.dissimilarity(alignment.measure(shown, shown, **procedure.bootstrap()))
        for name, rdms in spaces.items()
        for shown in [{who: rdms[who].after_onset() for who in people.measured}]
    }


def _second_order(
    spaces: Mapping[str, Estimate], participants: int, procedure: Procedure, independence: Independence
) -> list[Finding]:
    """Whether people who differ in their models differ in their brains."""
    if participants < second_order.LEAST_PARTICIPANTS:
        return []
    predictions = {PERSONAL: (MODELS, independence), MODEL_FREE: (OTHER_MEG, OTHER_HALF)}
    return [
        Finding(
            "second_order_rho",
            source,
            second_order.compare(spaces[space], spaces[MEG]),
            IMAGES,
            independent,
            p=float(second_order.permutation_p(spaces[space].value, spaces[MEG].value, **procedure.relabelling())),
            test=PEOPLE_LABELS,
        )
        for source, (space, independent) in predictions.items()
        if space in spaces
    ]


def _curves(found: Alignments, own: Mapping[str, Significance], independence: Independence) -> pd.DataFrame:
    """Tabulate personal models over time; p of each on its own participant."""
    frame = alignment.curves(replace(found, rho={name: found.rho[name] for name in found.participants}))
    frame = frame.assign(p=np.nan, p_people=np.nan, **independence.columns())
    for name, tested in own.items():
        frame.loc[(frame["model"] == name) & (frame["participant"] == name), "p"] = tested.time_p
    return frame


def _matrices(sources: Mapping[str, tuple[Alignments, Independence]]) -> pd.DataFrame:
    parts = [
        personal.table(personal.similarity(found).value, found.participants, source=source).assign(
            **independence.columns()
        )
        for source, (found, independence) in sources.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _differences(
    found: Alignments,
    people: People,
    spaces: Mapping[str, Estimate],
    procedure: Procedure,
    independence: Independence,
) -> pd.DataFrame:
    parts = [
        differences.over_time(found, seed=procedure.seed),
        differences.over_dimensions(people.embeddings, people.measured, **procedure.bootstrap()),
    ]
    if len(found.participants) >= second_order.LEAST_PARTICIPANTS:
        agreement = differences.over_blocks(
            people.reweighting, found.participants, spaces[MEG], **procedure.relabelling()
        )
        held_out = people.other_half is not None
        parts.append(agreement.assign(quantity=differences.HELD_OUT if held_out else differences.AGREEMENT))
    stated = [part.assign(**independence.columns()) for part in parts]
    spread = differences.spread_of_blocks(people.reweighting).assign(**NOTHING.columns())
    return pd.concat([*stated, spread], ignore_index=True)


def _tabulate_spaces(
    spaces: Mapping[str, Estimate], participants: tuple[str, ...], independence: Independence
) -> pd.DataFrame:
    sources = {MODELS: independence, MEG: NOTHING, OTHER_MEG: OTHER_HALF}
    parts = [
        second_order.table(name, space.value, participants).assign(**sources[name].columns())
        for name, space in spaces.items()
    ]
    return pd.concat(parts, ignore_index=True)
