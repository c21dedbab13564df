"""Time-resolved pairwise decoding: for every pair of stimuli and every time point, how well two patterns are told apart.

The classifier is linear discriminant analysis with a covariance shrunk towards a multiple of the identity, tested on one
session while the others train it. With far fewer trials than sensors in a pair, everything it needs is contained in the
inner products of the trials (their Gram matrix): with the class-centred training trials X of a pair, their squared size
tr(X X') and the ridge lambda = shrinkage / (1 - shrinkage) tr(X X') / channels, the inverse covariance is, up to a
factor, I - X' (X X' + lambda I)^-1 X (Woodbury's identity). The result is that of scikit-learn's
``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...)``.

Stimuli are laid out as a regular design of slots (session x repetition); a missing trial is a slot of zeros, which
changes nothing in the algebra. One stimulus is compared with `LANES` others at a time, in the innermost loops, so
that the compiler can use the processor's vector units.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

LANES = 16  # a multiple of every vector width in use; wider ones fall out of the fastest cache
SHRINKAGE = 0.01 / 1.01  # adds 0.01 times the mean variance to the covariance, as CoSMoMVPA does by default

Floats = NDArray[np.float64]
_compiled = numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
_compiled_parallel = numba.njit(cache=True, fastmath={"contract"}, error_model="numpy", parallel=True)


@dataclass(frozen=True)
class Design:
    """Which trial stands in which slot, and what each slot does in each fold.

    Attributes
    ----------
    trial : integer array (stimuli + padding, slots)
        Row of the epochs; -1 where there is none. Slots are ordered by session, then repetition.
    training, test : integer array (folds, slots of that kind)
        The slots that train and that test in each fold; one fold leaves out one session.
    """

    trial: NDArray[np.int64]
    training: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def present(self) -> Floats:
        """1 where a slot holds a trial, 0 where it is empty; shape (stimuli + padding, slots)."""
        return (self.trial >= 0).astype(np.float64)

    @property
    def training_count(self) -> Floats:
        """Training trials of each stimulus in each fold; shape (folds, stimuli + padding)."""
        return np.stack([self.present[:, slots].sum(axis=1) for slots in self.training])

    @property
    def test_count(self) -> Floats:
        """Test trials of each stimulus in each fold; shape (folds, stimuli + padding)."""
        return np.stack([self.present[:, slots].sum(axis=1) for slots in self.test])


def decode_rdm(
    epochs: NDArray[np.floating],
    *,
    stimulus: NDArray[np.integer],
    session: NDArray[np.integer],
    shrinkage: float = SHRINKAGE,
    threads: int = 1,
    label: str = "decode",
) -> NDArray[np.float32]:
    """Decode every pair of stimuli at every time point, leaving one session out at a time.

    A fold counts for a pair if both stimuli have a trial in its session and trials in the others; the covariance
    needs at least three training trials between the two.

    Parameters
    ----------
    epochs : float array (trials, channels, times)
        Sensor patterns, in any unit, all channels on a comparable scale.
    stimulus : integer array (trials,)
        The stimulus of each trial, numbered 0, 1, ... without gaps.
    session : integer array (trials,)
        The session of each trial.
    shrinkage : float
        Share of the identity in the covariance, between 0 and 1 (both excluded).
    threads : int
        Threads to use; the result does not depend on them.
    label : str
        What the progress bar says.

    Returns
    -------
    float32 array (times, pairs)
        Accuracy (0 to 1, chance 0.5), averaged over folds; pairs in strict upper-triangle order of the stimuli.

    Raises
    ------
    ValueError
        If the labels do not fit the epochs, or a stimulus or a pair cannot be cross-validated.
    """
    _check(epochs, stimulus=stimulus, session=session, shrinkage=shrinkage)
    design = _lay_out(stimulus, session)
    stimuli = int(stimulus.max()) + 1
    fold_weight = _weigh_folds(design, stimuli)
    accuracy = np.empty((epochs.shape[2], stimuli * (stimuli - 1) // 2), dtype=np.float32)
    ridge = shrinkage / (1 - shrinkage) / epochs.shape[1]
    # BLAS runs inside each of our threads, on one stimulus' trials: with threads of its own it would fight them.
    with _numba_threads(threads), threadpool_limits(limits=1, user_api="blas"):
        for time in tqdm(range(epochs.shape[2]), desc=label, disable=None, unit="time"):
            cells, tiles = _arrange(epochs[:, :, time], design)
            _decode_time_point(
                cells, tiles, design.present, design.training, design.test,
                design.training_count, design.test_count, fold_weight, ridge, accuracy[time],
            )  # fmt: skip
    return accuracy
