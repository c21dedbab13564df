"""Human similarity judgements: as targets for training and as RDMs to be compared with.

A behavioural embedding gives every stimulus a non-negative value on each of some named dimensions (SPoSE; Hebart
et al. 2020, Nature Human Behaviour 4:1173). An odd-one-out judgement names the pair of three stimuli that belongs
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.io import loadmat

from cliphba import rdm
from cliphba.sources import THINGS_FILES

# The two of the 48 words whose concept has a number in THINGS, there being a second concept of the same name.
THINGS_CONCEPTS = {"camera": "camera1", "file": "file1"}
#: Columns that name stimuli: the pair kept together, and the odd one out, which an RDM given as pairs has not.
NAMING = ("first", "second", "odd")


@dataclass(frozen=True)
class Scaling:
    """The affine map from raw embedding values to the 0-100 scale of the training target."""

    low: float
    high: float

    @classmethod
    def fit(cls, embedding: NDArray[np.float64]) -> Scaling:
        """Take one minimum and one maximum over the stimuli (training ones only) and dimensions given.

        Raises
        ------
        ValueError
            If all values are equal.
        """
        low, high = float(embedding.min()), float(embedding.max())
        if low == high:
            raise ValueError("the behavioural embedding is constant: check its table, column `value`")
        return cls(low, high)

    def apply(self, embedding: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale: 100 (x - low) / (high - low) (CLIP-HBA, arXiv 2502.04658, Methods)."""
        return 100 * (embedding - self.low) / (self.high - self.low)


def dot_product_dissimilarity(embedding: NDArray[np.float64]) -> NDArray[np.float64]:
    """RDM of negative dot products: (stimuli, dimensions) to (pairs,)."""
    return -rdm.to_triangle(embedding @ embedding.T)


def choice_dissimilarity(embedding: NDArray[np.float64]) -> NDArray[np.float64]:
    """RDM that the SPoSE choice model predicts for these stimuli (Hebart et al. 2020).

    With s the dot products of raw embeddings, a pair ij is kept together in the presence of k with probability
    exp(s_ij) / (exp(s_ij) + exp(s_ik) + exp(s_jk)); the dissimilarity is one minus its mean over k.

    Parameters
    ----------
    embedding
        (stimuli, dimensions), unscaled.

    Returns
    -------
    ndarray
        (pairs,).
    """
    similarity = embedding @ embedding.T
    strength = np.exp(similarity - similarity.max())
    together = strength[:, :, None]
    share = together / (together + strength[:, None, :] + strength[None, :, :])
    stimuli = len(embedding)
    itself = np.eye(stimuli, dtype=bool)
    third = ~(itself[:, None, :] | itself[None, :, :])
    kept_together: NDArray[np.float64] = rdm.to_triangle((share * third).sum(axis=2) / (stimuli - 2))
    return 1 - kept_together


def triplet_positions(triplets: pd.DataFrame, stimuli: Sequence[str]) -> NDArray[np.intp]:
    """Look up the stimuli of judgements, the odd one last: (judgements, 3) positions, -1 for other stimuli."""
    index = pd.Index(stimuli)
    return np.stack([index.get_indexer(pd.Index(triplets[column])) for column in NAMING], axis=1)


def named_in(told: pd.DataFrame) -> set[str]:
    """Collect all stimuli that judgements, or an RDM given as pairs, name."""
    return set(told[[name for name in NAMING if name in told]].to_numpy().ravel())


def judged_stimuli(told: pd.DataFrame | None, stimuli: Sequence[str]) -> list[str]:
    """List those of some stimuli that were judged together with others of them.

    Parameters
    ----------
    told
        Columns first, second and, of triplets, odd: stimulus identifiers; None: nobody judged anything.
    stimuli
        In the order to be kept.
    """
    if told is None:
        return []
    columns = [name for name in NAMING if name in told]
    named = named_in(told[told[columns].isin(list(stimuli)).all(axis=1)])
    return [stimulus for stimulus in stimuli if stimulus in named]


def pair_dissimilarity(pairs: pd.DataFrame, stimuli: Sequence[str]) -> NDArray[np.float64]:
    """RDM from a table of pairs.

    Parameters
    ----------
    pairs
        Columns first, second (in either order) and value.
    stimuli
        Order of the RDM; pairs of other stimuli are ignored.

    Returns
    -------
    ndarray
        (pairs,).

    Raises
    ------
    ValueError
        If a pair of the stimuli is missing.
    """
    index = pd.Index(stimuli)
    first, second = (index.get_indexer(pd.Index(pairs[column])) for column in ("first", "second"))
    square = np.full((len(stimuli), len(stimuli)), np.nan)
    known = (first >= 0) & (second >= 0)
    for rows, columns in ((first, second), (second, first)):
        square[rows[known], columns[known]] = pairs["value"].to_numpy(np.float64)[known]
    dissimilarity: NDArray[np.float64] = rdm.to_triangle(square)
    missing = np.isnan(dissimilarity).sum()
    if missing:
        raise ValueError(
            f"the human RDM lacks {missing} of the {len(dissimilarity)} pairs of {len(stimuli)} stimuli: add them, "
            "or leave stimuli out of it altogether"
        )
    return dissimilarity


def triplet_dissimilarity(triplets: pd.DataFrame, stimuli: list[str]) -> NDArray[np.float64]:
    """RDM of odd-one-out judgements: 1 - share of presentations in which a pair was kept together.

    Parameters
    ----------
    triplets
        Columns first, second (the pair kept together) and odd: stimulus identifiers.
    stimuli
        Order of the RDM; judgements of other stimuli are ignored.

    Returns
    -------
    ndarray
        (pairs,).

    Raises
    ------
    ValueError
        If a pair was never presented.
    """
    codes = triplet_positions(triplets, stimuli)
    codes = codes[(codes >= 0).all(axis=1)]
    together = np.zeros((len(stimuli), len(stimuli)))
    presented = np.zeros_like(together)
    np.add.at(together, (codes[:, 0], codes[:, 1]), 1)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        np.add.at(presented, (codes[:, first], codes[:, second]), 1)
    together, presented = (rdm.to_triangle(counts + counts.T) for counts in (together, presented))
    if (presented == 0).any():
        raise ValueError(
            f"{(presented == 0).sum()} of {len(presented)} pairs of stimuli occur in no triplet: add judgements of "
            "them, or give an RDM instead of triplets"
        )
    dissimilarity: NDArray[np.float64] = 1 - together / presented
    return dissimilarity


def split_half_dissimilarities(
    triplets: pd.DataFrame, stimuli: list[str], *, splits: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """RDMs of two random halves of the judgements, several times.

    Judgements of the same triplet are dealt out evenly, so that both halves see the pairs in the same company: halves
    that differ in their triplets would seem less reliable than the judgements are.

    Parameters
    ----------
    triplets, stimuli
        As for `triplet_dissimilarity`.
    splits, seed
        Number and seed of the random halvings.

    Returns
    -------
    tuple of ndarray
        Each (splits, pairs).

    Raises
    ------
    ValueError
        If a pair was not presented in both halves.
    """
    random = np.random.default_rng(seed)
    _, triplet = np.unique(np.sort(triplet_positions(triplets, stimuli), axis=1), axis=0, return_inverse=True)
    first, second = [], []
    for _ in range(splits):
        # triplets in random order, too, or one with an odd number of judgements would always favour the same half
        dealt = np.lexsort((random.random(len(triplet)), random.permutation(triplet.max() + 1)[triplet]))
        first.append(triplet_dissimilarity(triplets.iloc[dealt[::2]], stimuli))
        second.append(triplet_dissimilarity(triplets.iloc[dealt[1::2]], stimuli))
    return np.stack(first), np.stack(second)


@dataclass(frozen=True)
class ThingsBehavior:
    """Behavioural tables of THINGS: SPoSE embedding of every concept, human RDM of the 48 held-out ones."""

    concepts: list[str]
    embedding: NDArray[np.float64]
    held_out: list[str]
    dissimilarity: NDArray[np.float64]

    @property
    def held_out_embedding(self) -> NDArray[np.float64]:
        """Embedding of the held-out concepts in the order of the human RDM: (48, dimensions)."""
        return self.embedding[[self.concepts.index(concept) for concept in self.held_out]]


def read_things(folder: Path) -> ThingsBehavior:
    """Read the published behavioural files of THINGS.

    Parameters
    ----------
    folder
        Holds ``spose_embedding_66d_sorted.txt``, ``unique_id.txt``, ``RDM48_triplet.mat`` and ``words48.mat``.

    Returns
    -------
    ThingsBehavior
        The human RDM stays in the order of ``words48.mat``, which is not alphabetical.

    Raises
    ------
    ValueError
        If the embedding and the list of concepts differ in length.
    """
    embedding_file, concepts_file, rdm_file, words_file = (folder / name for name in THINGS_FILES)
    concepts, embedding = concepts_file.read_text().split(), np.loadtxt(embedding_file)
    if len(concepts) != len(embedding):
        raise ValueError(
            f"{folder}: {concepts_file.name} names {len(concepts)} concepts, but the embedding has {len(embedding)} "
            "rows: take both from the same release"
        )
    words = [str(word[0]) for word in loadmat(words_file)["words48"][:, 0]]
    held_out = [THINGS_CONCEPTS.get(word, word.replace(" ", "_")) for word in words]
    square = loadmat(rdm_file)["RDM48_triplet"]
    return ThingsBehavior(concepts, embedding, held_out, rdm.to_triangle(square))


def read_things_triplets(path: Path, concepts: Sequence[str]) -> pd.DataFrame:
    """Read published odd-one-out judgements of THINGS.

    Parameters
    ----------
    path
        Text file, a row for each judgement: first, second (the pair kept together), odd, participant; stimuli as rows
        of ``unique_id.txt``, from 0.
    concepts
        Identifiers in that order, `ThingsBehavior.concepts`.

    Returns
    -------
    DataFrame
        Table of kind ``triplets``.

    Raises
    ------
    ValueError
        If the file has other than four columns, or names a row that there is not.
    """
    judged = np.loadtxt(path, dtype=np.intp, ndmin=2)
    if judged.shape[1] != 4:
        raise ValueError(f"{path} has {judged.shape[1]} columns: first, second, odd and participant are needed")
    if judged[:, :3].min() < 0 or judged[:, :3].max() >= len(concepts):
        raise ValueError(
            f"{path} names concepts beyond the {len(concepts)} known: both must come from the same release"
        )
    named = np.array(concepts)[judged[:, :3]]
    triplets = pd.DataFrame(named, columns=list(NAMING))
    return triplets.assign(participant=judged[:, 3].astype(str))
