"""Human judgements: whether they are of the study's pictures, and of enough of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cliphba.behavior import named_in
from cliphba.check.backbone import judge_model
from cliphba.check.findings import Chapter
from cliphba.collect.judgements import Told, embedding_of, pairs_of, read_judgements, triplets_of
from cliphba.config import Study
from cliphba.listing import some
from cliphba.sources import CLIPBehavior, ModelBehavior, THINGSBehavior, path_of

WHERE = "data.behavior"


def read(chapter: Chapter, study: Study) -> Told | None:
    """Read the judgements of a study; None if they cannot be read."""
    if study.data is None:
        return None
    with chapter.reporting(WHERE):
        return read_judgements(study.data.behavior)
    return None


def survey(chapter: Chapter, study: Study, told: Told | None, stimuli: pd.DataFrame | None) -> None:
    """Look at the judgements of a study.

    Parameters
    ----------
    chapter
        Gets what is found.
    study
        Whose judgements.
    told
        As `read` gives them.
    stimuli
        Its pictures, with their split; None if they are not known.
    """
    if study.data is None:
        return
    behavior = study.data.behavior
    if isinstance(behavior, ModelBehavior):
        judge_model(chapter, path_of(behavior.model), study)
    elif isinstance(behavior, CLIPBehavior):
        prompts = "the 66 labels of THINGS" if behavior.prompts is None else f"{len(behavior.prompts)} prompts"
        chapter.tell("embedding", f"none: CLIP itself, read by {prompts}")
    if told is None:
        return
    if told.embedding is not None:
        judge_embedding(chapter, told.embedding, stimuli)
    if told.triplets is None and told.pairs is None:
        chapter.tell("judgements of test images", "none: models are not compared with them")
    elif stimuli is not None and stimuli["split"].notna().all():
        judge_judged(chapter, told, stimuli, things=isinstance(behavior, THINGSBehavior))


def judge_embedding(chapter: Chapter, embedding: pd.DataFrame, stimuli: pd.DataFrame | None) -> None:
    """Say what the embedding covers, and whether its values are what they should be."""
    chapter.tell("embedding", f"{len(embedding)} stimuli, {embedding.shape[1]} dimensions")
    negative = embedding.lt(0).to_numpy()
    if negative.any():
        first = embedding.index[int(negative.any(axis=1).argmax())]
        chapter.warn(
            WHERE,
            f"{negative.sum()} of {negative.size} values of the embedding are negative, the first of {first}",
            "give weights on dimensions that begin at 0, as SPoSE has them; what is less than nothing of a dimension "
            "is not defined",
        )
    if stimuli is not None and stimuli["split"].notna().all():
        with chapter.reporting(WHERE):
            covered = embedding_of(embedding, stimuli)["stimulus"].nunique()
            chapter.tell("covered", f"{covered} of {len(stimuli)} pictures")


def judge_judged(chapter: Chapter, told: Told, stimuli: pd.DataFrame, *, things: bool) -> None:
    """Say how many test images people judged, and whether they judged every pair of them."""
    given = told.pairs if told.triplets is None else told.triplets
    if given is None:
        return
    unknown = sorted(named_in(given) - set(stimuli["stimulus"]) - set(stimuli["concept"].dropna()))
    kind = "an RDM" if told.triplets is None else f"{len(told.triplets)} triplets"
    test = int((stimuli["split"] == "test").sum())
    judged = set(told.judged(stimuli[stimuli["split"] == "test"]))
    chapter.tell("judgements of test images", f"{kind}; {len(judged)} of {test} test images are named")
    # of THINGS, people judged objects that a study need not show
    if unknown and not things:
        chapter.warn(
            WHERE,
            f"judgements name {len(unknown)} pictures that are not of the study: {some(unknown)}; they are left out",
            "if they are meant, add their pictures to data.stimuli, or name them alike",
        )
    with chapter.reporting(WHERE):
        if told.triplets is not None:
            triplets_of(told.triplets, stimuli)
        else:
            pairs_of(given, stimuli)


def files_of(study: Study) -> list[Path]:
    """Files with judgements that a study names."""
    if study.data is None:
        return []
    behavior = study.data.behavior
    if isinstance(behavior, ModelBehavior):
        return [path_of(behavior.model)]
    return [path_of(path) for path in behavior.files]
