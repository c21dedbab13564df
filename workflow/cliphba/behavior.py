"""Human similarity judgements: as targets for training and as RDMs to be compared with.

A behavioural embedding gives every stimulus a non-negative value on each of some named dimensions (SPoSE; Hebart
et al. 2020, Nature Human Behaviour 4:1173). An odd-one-out judgement names the pair of three stimuli that belongs
together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.io import loadmat

from cliphba import rdm

# The two of the 48 words whose concept has a number in THINGS, there being a second concept of the same name.
THINGS_CONCEPTS = {"camera": "camera1", "file": "file1"}


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
    index = pd.Index(stimuli)
    codes = np.stack([index.get_indexer(pd.Index(triplets[column])) for column in ("first", "second", "odd")], axis=1)
    codes = codes[(codes >= 0).all(axis=1)]
    together = np.zeros((len(stimuli), len(stimuli)))
    presented = np.zeros_like(together)
    np.add.at(together, (codes[:, 0], codes[:, 1]), 1)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        np.add.at(presented, (codes[:, first], codes[:, second]), 1)
    together, presented = (rdm.to_triangle(counts + counts.T) for counts in (together, presented))
    if (presented == 0).any():
        raise ValueError(f"{(presented == 0).sum()} pairs of stimuli occur in no triplet: add judgements of them")
    dissimilarity: NDArray[np.float64] = 1 - together / presented
    return dissimilarity


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
    concepts = (folder / "unique_id.txt").read_text().split()
    embedding = np.loadtxt(folder / "spose_embedding_66d_sorted.txt")
    if len(concepts) != len(embedding):
        raise ValueError(
            f"{folder}: unique_id.txt names {len(concepts)} concepts but the embedding has {len(embedding)} rows; "
            "both must come from the same release"
        )
    words = [str(word[0]) for word in loadmat(folder / "words48.mat")["words48"][:, 0]]
    held_out = [THINGS_CONCEPTS.get(word, word.replace(" ", "_")) for word in words]
    square = loadmat(folder / "RDM48_triplet.mat")["RDM48_triplet"]
    return ThingsBehavior(concepts, embedding, held_out, rdm.to_triangle(square))
