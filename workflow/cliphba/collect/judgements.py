"""What people judged, as given (an embedding, odd ones out, an RDM), and what of it is of a study's stimuli."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cliphba import behavior, rdm
from cliphba.collect.given import read_table
from cliphba.collect.names import names_of, stimuli_of
from cliphba.labels import THINGS_LABELS
from cliphba.listing import some
from cliphba.sources import Behavior, TablesBehavior, THINGSBehavior, path_of

#: The source that people are in tables of kind ``behavior_rdm``. Models may have been trained on what they said.
HUMAN: dict[str, Any] = {
    "source": "human",
    "independent_images": False,
    "independent_data": False,
    "independent_people": False,
}
#: Judgements of fewer test images say nothing.
LEAST_JUDGED = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """What people said, under the names that it was given with.

    Attributes
    ----------
    embedding
        (stimuli, dimensions), indexed by the names of stimuli or concepts; None: there is none.
    dimensions
        Table of kind ``dimensions``, in the order of the columns.
    triplets
        Table of kind ``triplets``.
    pairs
        RDM: ``first``, ``second``, ``value``.
    """

    embedding: pd.DataFrame | None = None
    dimensions: pd.DataFrame | None = None
    triplets: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None

    def judged(self, stimuli: pd.DataFrame) -> list[str]:
        """List the stimuli that stand in triplets or in the RDM, from columns ``stimulus`` and ``concept``."""
        told = self.pairs if self.triplets is None else self.triplets
        if told is None:
            return []
        return list(names_of(stimuli, behavior.named_in(told)).index)


def read_judgements(source: Behavior) -> Told:
    """Read the files of a study's judgements.

    Raises
    ------
    ValueError
        If a file is missing or not as described.
    """
    told, concepts = Told(), None
    if isinstance(source, TablesBehavior):
        told = read_embedding(
            path_of(source.embedding), None if source.dimensions is None else path_of(source.dimensions)
        )
    elif isinstance(source, THINGSBehavior):
        things = behavior.read_things(path_of(source.folder))
        told, concepts = tell_things(things), things.concepts
    if source.triplets is not None:
        return Told(told.embedding, told.dimensions, triplets=read_triplets(path_of(source.triplets), concepts))
    if source.rdm is not None:
        return Told(told.embedding, told.dimensions, pairs=read_pairs(path_of(source.rdm)))
    return told


def read_embedding(path: Path, dimensions: Path | None) -> Told:
    """Read a behavioural embedding, and what its dimensions are called.

    Parameters
    ----------
    path
        Table with the column ``stimulus`` and a column for each dimension.
    dimensions
        Table with ``dimension``, ``label``, ``prompt``; columns of the embedding that it does not name are left out.
        None: each dimension is called what its column is.

    Raises
    ------
    ValueError
        If a dimension has no column, a stimulus stands there twice, or a value is no number.
    """
    given = read_table(path, ["stimulus"]).set_index("stimulus")
    if (twice := given.index.duplicated()).any():
        raise ValueError(f"{path}: {given.index[twice][0]!r} stands there twice: keep one row a stimulus")
    if dimensions is None:
        names = [str(name) for name in given.columns]
        described = pd.DataFrame({"dimension": names, "label": names, "prompt": names})
    else:
        described = read_table(dimensions, ["dimension", "label", "prompt"])[["dimension", "label", "prompt"]]
    missing = [name for name in described["dimension"] if name not in given]
    if missing or described.empty or described["dimension"].duplicated().any():
        raise ValueError(
            f"{path} needs one column for each dimension (those of {dimensions or 'the table itself'}), each once: "
            f"it lacks {some(missing) or 'nothing'}"
        )
    return Told(_numbers(given[list(described["dimension"])], path), described)


def tell_things(things: behavior.ThingsBehavior) -> Told:
    """Give the published embedding of THINGS with its labels as prompts, and people's RDM of the 48 objects.

    Raises
    ------
    ValueError
        If the embedding has other than the 66 dimensions that the labels are of.
    """
    if things.embedding.shape[1] != len(THINGS_LABELS):
        raise ValueError(
            f"data.behavior.folder: the embedding has {things.embedding.shape[1]} dimensions, but there are labels "
            f"of {len(THINGS_LABELS)}: take spose_embedding_66d_sorted.txt, or give another as a table (kind: tables)"
        )
    labels = list(THINGS_LABELS)
    rows, columns = rdm.pair_indices(len(things.held_out))
    names = np.array(things.held_out)
    return Told(
        pd.DataFrame(things.embedding, index=pd.Index(things.concepts, name="stimulus"), columns=labels),
        pd.DataFrame({"dimension": labels, "label": labels, "prompt": labels}),
        pairs=pd.DataFrame({"first": names[rows], "second": names[columns], "value": things.dissimilarity}),
    )


def read_triplets(path: Path, concepts: list[str] | None = None) -> pd.DataFrame:
    """Read odd-one-out judgements: a table, or the text file of numbers that THINGS publishes.

    Parameters
    ----------
    path
        Table with ``first``, ``second`` (the pair kept together), ``odd`` and, if known, ``participant``; or .txt.
    concepts
        What the numbers in a .txt mean.

    Raises
    ------
    ValueError
        If the file is not as described, or a judgement names a stimulus twice.
    """
    if path.suffix == ".txt" and concepts is not None:
        return behavior.read_things_triplets(path, concepts)
    given = read_table(path, behavior.NAMING)
    if (given[list(behavior.NAMING)].nunique(axis=1) < len(behavior.NAMING)).any():
        raise ValueError(f"{path}: a judgement names a stimulus twice: remove it")
    return given[list(behavior.NAMING)].assign(participant=given.get("participant"))


def read_pairs(path: Path) -> pd.DataFrame:
    """Read an RDM given as a table of pairs: ``first``, ``second``, ``value``.

    Raises
    ------
    ValueError
        If a pair stands there twice or is of one stimulus, or a value is no number.
    """
    given = read_table(path, ["first", "second", "value"])
    ends = np.sort(given[["first", "second"]].to_numpy(str), axis=1)
    if (ends[:, 0] == ends[:, 1]).any() or pd.DataFrame(ends).duplicated().any():
        raise ValueError(f"{path}: give every pair of two stimuli once, in either order, and no stimulus with itself")
    return given[["first", "second"]].assign(value=_numbers(given[["value"]], path)["value"])


def embedding_of(told: pd.DataFrame, stimuli: pd.DataFrame) -> pd.DataFrame:
    """Restrict an embedding to a study's stimuli.

    Parameters
    ----------
    told
        `Told.embedding`.
    stimuli
        Table of kind ``stimuli``.

    Returns
    -------
    DataFrame
        Table of kind ``behavior_embedding``.

    Raises
    ------
    ValueError
        If a training or validation image has none.
    """
    names = names_of(stimuli, told.index)
    needed = stimuli.loc[stimuli["split"] != "test", "stimulus"]
    if len(missing := needed[~needed.isin(names.index)]):
        raise ValueError(
            f"data.behavior: {len(missing)} of {len(needed)} training and validation images have no embedding, such "
            f"as {some(missing)}: it must name them as they are named here, or their concepts in the table of "
            f"stimuli; it names {some(told.index)}"
        )
    found = told.loc[list(names)].set_axis(names.index).rename_axis("stimulus")
    return found.reset_index().melt("stimulus", var_name="dimension")


def triplets_of(told: pd.DataFrame, stimuli: pd.DataFrame) -> pd.DataFrame:
    """Restrict judgements to a study's test images: a table of kind ``triplets``.

    Raises
    ------
    ValueError
        If too few test images were judged, or two of them never together.
    """
    found = _of_test_images(told, stimuli, behavior.NAMING)
    behavior.triplet_dissimilarity(found, _judged(found, stimuli))
    return found


def pairs_of(told: pd.DataFrame, stimuli: pd.DataFrame) -> pd.DataFrame:
    """Restrict an RDM to a study's test images: a table of kind ``behavior_rdm``, of people.

    Raises
    ------
    ValueError
        If too few test images were judged, or a pair of them is missing.
    """
    found = _of_test_images(told, stimuli, ("first", "second"))
    behavior.pair_dissimilarity(found, _judged(found, stimuli))
    return found.assign(**HUMAN)


def _of_test_images(told: pd.DataFrame, stimuli: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
    test = stimuli[stimuli["split"] == "test"]
    given = behavior.named_in(told)
    known = stimuli_of(test, given, origin="data.behavior")
    named = told.copy()
    for column in columns:
        named[column] = told[column].map(known)
    found = named.dropna(subset=list(columns)).reset_index(drop=True)
    judged = _judged(found, test)
    if len(judged) < LEAST_JUDGED:
        raise ValueError(
            f"data.behavior: people judged {len(judged)} of the {len(test)} test images, which are named "
            f"{some(test['stimulus'])}; they judged {some(sorted(given))}: hold those out that they judged "
            "(data.stimuli.split: judged), or name them alike"
        )
    logger.info("people judged %d of %d test images", len(judged), len(test))
    return found


def _judged(told: pd.DataFrame, stimuli: pd.DataFrame) -> list[str]:
    return behavior.judged_stimuli(told, list(stimuli.loc[stimuli["split"] == "test", "stimulus"]))


def _numbers(cells: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Turn text into numbers."""
    numbers: pd.DataFrame = cells.apply(pd.to_numeric, errors="coerce").astype(float)
    wrong = ~np.isfinite(numbers.to_numpy())
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{path}: {wrong.sum()} cells are no numbers, the first is {cells.iloc[row, column]!r} in row {row + 1} "
            f"under {cells.columns[column]!r}: put numbers there, or name the columns that are dimensions in a table"
        )
    return numbers
