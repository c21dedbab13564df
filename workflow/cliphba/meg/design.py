"""Which trials train and which test: folds of whole sessions or of single trials, and averages of trials."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """Trials of a cross-validation.

    Attributes
    ----------
    stimulus
        (trials,) number of the stimulus, 0, 1, ... without gaps.
    fold
        (trials,) number of the fold that tests this trial, 0, 1, ... without gaps; in all others it trains.
    """

    stimulus: Integers
    fold: Integers

    def __post_init__(self) -> None:
        if self.stimulus.ndim != 1 or self.stimulus.shape != self.fold.shape:
            raise ValueError(
                "give one stimulus and one session a trial: stimulus has shape "
                f"{self.stimulus.shape}, session {self.fold.shape}"
            )
        if self.stimuli < 2 or not np.array_equal(np.unique(self.stimulus), np.arange(self.stimuli)):
            raise ValueError("stimulus must number two or more stimuli 0, 1, ... without gaps: renumber those left")
        in_folds = (self.counts > 0).sum(axis=1)
        if (in_folds < 2).any():
            raise ValueError(
                f"stimulus {int(np.argmax(in_folds < 2))} has trials in fewer than two sessions (folds), so that "
                "none can be left out: leave this stimulus out, or reject fewer trials"
            )

    @cached_property
    def stimuli(self) -> int:
        """Number of stimuli."""
        return int(self.stimulus.max(initial=-1)) + 1

    @cached_property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max(initial=-1)) + 1

    @cached_property
    def counts(self) -> Integers:
        """Trials of each stimulus that each fold tests: (stimuli, folds)."""
        counts = np.zeros((self.stimuli, self.folds), dtype=np.int64)
        np.add.at(counts, (self.stimulus, self.fold), 1)
        return counts


def trial_slots(design: Design) -> Integers:
    """Give every trial a slot: its fold, and its rank among the trials of its stimulus there.

    Returns
    -------
    integer array (stimuli, folds x width)
        Number of the trial, -1 where there is none; a fold has as many slots as the largest number of trials of any
        stimulus in any fold.
    """
    cell = design.stimulus * design.folds + design.fold
    order = np.argsort(cell, kind="stable")
    repetition = np.empty(len(cell), dtype=np.int64)
    repetition[order] = np.arange(len(cell)) - np.searchsorted(cell[order], cell[order])
    width = int(design.counts.max())
    trial = np.full((design.stimuli, design.folds * width), -1)
    trial[design.stimulus, design.fold * width + repetition] = np.arange(len(cell))
    return trial


def leave_one_session_out(stimulus: NDArray[np.integer], session: NDArray[np.integer]) -> Design:
    """Let every session be tested once by classifiers trained on all others.

    Parameters
    ----------
    stimulus
        (trials,) number of the stimulus.
    session
        (trials,) any number for the session.

    Raises
    ------
    ValueError
        If a stimulus has trials in a single session only.
    """
    return Design(np.asarray(stimulus, dtype=np.int64), np.unique(session, return_inverse=True)[1].astype(np.int64))


def k_fold(stimulus: NDArray[np.integer], *, folds: int, seed: int) -> Design:
    """Spread the trials of every stimulus at random and evenly over folds.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or a stimulus has fewer trials than folds.
    """
    labels: Integers = np.asarray(stimulus, dtype=np.int64)
    fewest = np.bincount(labels).min(initial=len(labels))
    if not 2 <= folds <= fewest:
        raise ValueError(f"folds: {folds} cannot be made; from 2 up to the fewest trials of any stimulus ({fewest})")
    generator = np.random.default_rng(seed)
    # a stimulus' remainder starts at a fold of its own, so that no fold is larger than the others for all of them
    first = generator.integers(folds, size=labels.max() + 1)
    order = np.lexsort([generator.random(len(labels)), labels])
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    fold: Integers = np.asarray((rank + first[labels]) % folds, dtype=np.int64)
    return Design(labels, fold)


def average_trials(design: Design, *, size: int, seed: int) -> tuple[csr_array, Design]:
    """Average trials of the same stimulus and fold at random into pseudo-trials (Grootswagers et al. 2017).

    Averages never mix folds, so that nothing of a test trial enters training. Where the number of trials is no
    multiple of the size, some averages hold more than `size` trials; none holds fewer unless there are fewer.

    Parameters
    ----------
    design
        Of the single trials.
    size
        Trials in an average.
    seed
        Of the random choice of trials that are averaged together.

    Returns
    -------
    averaging : sparse array (pseudo-trials, trials)
        Its product with patterns (trials, channels) is the pseudo-trials' patterns.
    design : Design
        Of the pseudo-trials.
    """
    generator = np.random.default_rng(seed)
    cell = design.stimulus * design.folds + design.fold
    order = np.lexsort([generator.random(len(cell)), cell])
    cells, start, count = np.unique(cell[order], return_index=True, return_counts=True)
    groups = np.maximum(count // size, 1)
    rank = np.arange(len(cell)) - np.repeat(start, count)
    group = np.repeat(np.cumsum(groups) - groups, count) + rank % np.repeat(groups, count)
    members = np.bincount(group)
    averaging = csr_array((1 / members[group], (group, order)), shape=(len(members), len(cell)))
    owner = np.repeat(cells, groups)
    return averaging, replace(design, stimulus=owner // design.folds, fold=owner % design.folds)
