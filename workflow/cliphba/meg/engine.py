"""From patterns to time-resolved RDMs: one measure, prepared once, applied at every time point.

The measures themselves (`lda`, `lda_ledoit_wolf`, `svm`, `distances`) know nothing of time, of averaged trials or of
whitening; what is common to all of them stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from cliphba.config import Decoding
from cliphba.meg import design as designs
from cliphba.meg.design import Design
from cliphba.meg.distances import prepare_correlation, prepare_euclidean
from cliphba.meg.lda import prepare_lda
from cliphba.meg.lda_ledoit_wolf import prepare_lda_ledoit_wolf
from cliphba.meg.measure import Measure, Sums, check_patterns
from cliphba.meg.svm import prepare_svm
from cliphba.meg.whitening import noise_covariance, whitening_matrix
from cliphba.progress import track

#: Takes patterns (trials, channels) at one time point and gives the dissimilarities (pairs,).
PatternRDM = Callable[[NDArray[np.floating]], NDArray[np.float32]]


def decode_rdm(
    epochs: NDArray[np.floating],
    *,
    stimulus: NDArray[np.integer],
    session: NDArray[np.integer],
    settings: Decoding | None = None,
    seed: int = 0,
    threads: int = 1,
    label: str = "decode",
) -> NDArray[np.float32]:
    """Measure how far apart the patterns of every pair of stimuli are, at every time point.

    Parameters
    ----------
    epochs : float array (trials, channels, times)
        Sensor patterns, in any unit, with all channels on a comparable scale.
    stimulus : integer array (trials,)
        The stimulus of each trial, numbered 0, 1, ... without gaps.
    session : integer array (trials,)
        The session of each trial.
    settings : Decoding
        Measure, folds, averaging and whitening; by default linear discriminant analysis of single trials, leaving one
        session out at a time.
    seed : int
        Of folds over trials and of the averages.
    threads : int
        Threads to use; the result does not depend on them.
    label : str
        What the progress bar says.

    Returns
    -------
    float32 array (times, pairs)
        Accuracy (0 to 1, chance 0.5), decision value or distance, averaged over folds; pairs in strict
        upper-triangle order of the stimuli.

    Raises
    ------
    ValueError
        If the labels do not fit the epochs, or a stimulus or a pair of them cannot be cross-validated.
    """
    if epochs.ndim != 3 or len(epochs) != len(stimulus):
        raise ValueError(
            "epochs must be (trials, channels, times) with one stimulus a trial: epochs have shape "
            f"{epochs.shape}, stimulus {stimulus.shape}"
        )
    measure = prepare(stimulus, session, settings or Decoding(), seed=seed, threads=threads)
    times = range(epochs.shape[2])
    return np.stack([measure(epochs[:, :, time]) for time in track(times, label, unit="time point")])


def prepare(
    stimulus: NDArray[np.integer], session: NDArray[np.integer], settings: Decoding, *, seed: int, threads: int
) -> PatternRDM:
    """Prepare everything that is the same at all time points.

    Parameters
    ----------
    stimulus, session, settings, seed, threads
        As for `decode_rdm`.

    Returns
    -------
    callable
        Patterns (trials, channels) of one time point to dissimilarities (pairs,).
    """
    if settings.folds == "session":
        design = designs.leave_one_session_out(stimulus, session)
    else:
        design = designs.k_fold(stimulus, folds=settings.folds, seed=seed)
    repetitions = [
        (averaging, _measure(averaged, settings, threads=threads), averaged)
        for averaging, averaged in _averages(design, settings, seed=seed)
    ]

    def rdm(patterns: NDArray[np.floating]) -> NDArray[np.float32]:
        check_patterns(patterns, design)
        exact = patterns.astype(np.float64)
        sums = _add(
            _over_folds(averaging @ exact, measure, averaged, settings)
            for averaging, measure, averaged in repetitions
        )
        _check_pairs(sums.folds, stimuli=design.stimuli)
        return np.asarray(sums.total / sums.folds, dtype=np.float32)

    return rdm


def _averages(design: Design, settings: Decoding, *, seed: int) -> Iterator[tuple[csr_array, Design]]:
    """Give every repetition's averages of trials, or the trials themselves."""
    if settings.averaged_trials == 1:
        yield eye_array(len(design.stimulus), format="csr"), design
        return
    for repetition in range(settings.average_repetitions):
        yield designs.average_trials(design, size=settings.averaged_trials, seed=seed + repetition)


def _measure(design: Design, settings: Decoding, *, threads: int) -> Measure:
    """Prepare the measure that is asked for."""
    if settings.measure == "lda":
        return _lda(design, settings, threads=threads)
    if settings.measure == "svm":
        return prepare_svm(design, cost=settings.cost, value=settings.value, threads=threads)
    return prepare_euclidean(design) if settings.measure == "euclidean" else prepare_correlation(design)


def _lda(design: Design, settings: Decoding, *, threads: int) -> Measure:
    """Prepare linear discriminant analysis with the shrinkage and on the device that are asked for."""
    if isinstance(settings.shrinkage, str):
        return prepare_lda_ledoit_wolf(design, value=settings.value, threads=threads)
    if settings.device == "cpu":
        return prepare_lda(design, shrinkage=settings.shrinkage, value=settings.value, threads=threads)
    from cliphba.meg.lda_torch import prepare_lda_torch  # noqa: PLC0415  (the CPU needs no torch)

    return prepare_lda_torch(design, shrinkage=settings.shrinkage, value=settings.value, device=settings.device)


def _over_folds(patterns: NDArray[np.float64], measure: Measure, design: Design, settings: Decoding) -> Sums:
    """Apply the measure to all folds at once, or to each as it is whitened by its own training trials."""
    if settings.whitening == "none":
        return measure(patterns, np.arange(design.folds))
    covariances = (
        noise_covariance(patterns, design, fold, shrinkage=settings.whitening) for fold in range(design.folds)
    )
    return _add(
        measure(patterns @ whitening_matrix(covariance), np.array([fold]))
        for fold, covariance in enumerate(covariances)
    )


def _add(sums: Iterable[Sums]) -> Sums:
    """Add sums over different folds."""
    return reduce(lambda one, other: Sums(one.total + other.total, one.folds + other.folds), sums)


def _check_pairs(folds: NDArray[np.float64], *, stimuli: int) -> None:
    """Refuse a pair of stimuli without any usable fold."""
    if folds.all():
        return
    first, second = (indices[np.argmin(folds)] for indices in np.triu_indices(stimuli, 1))
    raise ValueError(
        f"stimuli {first} and {second} share no session (fold) that can test both while the others hold three "
        "training trials: leave one of them out, or reject fewer trials"
    )
