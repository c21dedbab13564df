"""How fast the decoding engine is, against MNE + scikit-learn and against the processor, in one run.

    python -m tests.benchmarks.decode [--quick]

Simulated epochs of 271 sensors, 12 sessions, one trial of every stimulus a session, leave-one-session-out. The last
line of the output is one JSON object:

- microseconds_per_pair_fold: linear discriminant analysis, inner products and all other preparation included
- speedup_over_sklearn: against MNE's SlidingEstimator with scikit-learn's classifier on one BLAS thread
- share_of_sgemm, share_of_dgemm: floating-point operations of the engine a second, relative to those of a matrix
  product of single and of double precision with the same number of threads; the engine works in double precision
- differences: decisions that differ from scikit-learn's and are not within 1e-5 of zero relative to their scale
- near_ties: decisions that are
- svm_speedup_over_sklearn: the same comparison for the linear support vector machine, one thread each
- seconds_a_time_point: of all stimuli
- peak_gb: largest resident memory of this process
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from mne.decoding import SlidingEstimator, cross_val_multiscore
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from cliphba.compute import available_threads
from cliphba.config import Decoding
from cliphba.meg.engine import prepare
from cliphba.meg.leave_out import BLOCK

SENSORS, SESSIONS = 271, 12
LDA, SVM = Decoding(), Decoding(measure="svm")

logger = logging.getLogger(__name__)


def simulate(stimuli: int, times: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Noise with strong directions, as sensors have it, and a weak signal."""
    generator = np.random.default_rng(0)
    stimulus, session = (axis.ravel() for axis in np.meshgrid(range(stimuli), range(SESSIONS), indexing="ij"))
    mixing = np.linalg.qr(generator.normal(size=(SENSORS, SENSORS)))[0] * np.logspace(0, -1.5, SENSORS)
    signal = 0.3 * generator.normal(size=(stimuli, SENSORS))
    epochs = np.empty((len(stimulus), SENSORS, times), dtype=np.float32)
    for sample in range(times):
        epochs[:, :, sample] = (generator.normal(size=(len(stimulus), SENSORS)) + signal[stimulus]) @ mixing
    return epochs, stimulus, session


def seconds(work: Callable[[], Any], repetitions: int = 1) -> float:
    """Shortest of several runs."""
    found = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def product_rate(kind: type[np.floating], threads: int) -> float:
    """Floating-point operations a second of a matrix product as wide as the engine's own."""
    first, second = (np.ones(shape, dtype=kind) for shape in ((3000, SENSORS), (SENSORS, 3000)))
    with threadpool_limits(threads):
        return 2 * 3000 * 3000 * SENSORS / seconds(lambda: first @ second, repetitions=10)


def operations_a_pair() -> float:
    """Floating-point operations for a pair in all folds, where an expansion of first order is enough."""
    size = -(-2 * SESSIONS // BLOCK) * BLOCK
    inner_products = 2 * (SESSIONS + 1) ** 2 * SENSORS
    inversion, powers = size**3, 4 * size**2
    folds = SESSIONS * 2 * size * 4
    return inner_products + inversion + powers + folds


def oracle(
    classifier: Any,
    epochs: NDArray[np.float32],
    stimulus: NDArray[np.int64],
    session: NDArray[np.int64],
    pairs: list[tuple[int, int]],
) -> tuple[NDArray[np.float64], float]:
    """Accuracies (pairs, times) of MNE + scikit-learn, and seconds a pair, time and fold.

    Time points are repeated until there are some twenty, so that what MNE does once for all times weighs no more than
    in a real study.
    """
    estimator, found = SlidingEstimator(classifier, verbose="error"), []
    times = epochs.shape[2]
    epochs = np.tile(epochs, -(-20 // times))
    with threadpool_limits(1):
        start = time.perf_counter()
        for first, second in pairs:
            chosen = (stimulus == first) | (stimulus == second)
            scores = cross_val_multiscore(
                estimator,
                epochs[chosen].astype(np.float64),
                stimulus[chosen],
                groups=session[chosen],
                cv=LeaveOneGroupOut(),
                verbose="error",
            )
            found.append(scores.mean(axis=0)[:times])
        spent = time.perf_counter() - start
    return np.array(found), spent / (len(pairs) * epochs.shape[2] * SESSIONS)


def near_ties(patterns: NDArray[np.float64], label: NDArray[np.int64], session: NDArray[np.int64]) -> int:
    """Count scikit-learn's decisions within 1e-5 of zero, relative to their mean size."""
    decided = []
    for training, test in LeaveOneGroupOut().split(patterns, label, session):
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=LDA.shrinkage)
        decided.append(np.abs(classifier.fit(patterns[training], label[training]).decision_function(patterns[test])))
    return int((np.concatenate(decided) < 1e-5 * np.concatenate(decided).mean()).sum())


def compare(stimuli: int, times: int, compared: int, threads: int) -> dict[str, float]:
    """Run the engine and scikit-learn on the same epochs."""
    epochs, stimulus, session = simulate(stimuli, times)
    rows, columns = np.triu_indices(stimuli, 1)
    rdm = prepare(stimulus, session, LDA, seed=0, threads=threads)
    rdm(epochs[:, :, 0])  # compile
    logger.info("engine: %d stimuli, %d threads", stimuli, threads)
    spent = min(seconds(lambda sample=sample: rdm(epochs[:, :, sample])) for sample in range(times))  # type: ignore[misc]
    found = np.stack([rdm(epochs[:, :, sample]) for sample in range(times)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)

    chosen = np.random.default_rng(1).choice(len(rows), size=compared, replace=False)
    pairs = [(int(rows[pair]), int(columns[pair])) for pair in chosen]
    logger.info("MNE + scikit-learn: %d pairs", compared)
    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=LDA.shrinkage)
    expected, theirs = oracle(classifier, epochs, stimulus, session, pairs)
    # every fold tests two trials: one decision is 1 / (2 folds) of the accuracy
    differing = np.rint(np.abs(found[:, chosen].T - expected) * 2 * SESSIONS).astype(int)
    ties = np.zeros_like(differing)
    for place, (first, second) in enumerate(pairs):
        both = (stimulus == first) | (stimulus == second)
        for sample in range(times):
            ties[place, sample] = near_ties(epochs[both, :, sample].astype(np.float64), stimulus[both], session[both])
    a_pair_fold = spent / (len(rows) * SESSIONS)
    rate = operations_a_pair() / SESSIONS / a_pair_fold
    return {
        "microseconds_per_pair_fold": 1e6 * a_pair_fold,
        "speedup_over_sklearn": theirs / a_pair_fold,
        "share_of_sgemm": rate / product_rate(np.float32, threads),
        "share_of_dgemm": rate / product_rate(np.float64, threads),
        "differences": int(np.maximum(differing - ties, 0).sum()),
        "near_ties": int(ties.sum()),
        "compared_decisions": int(ties.size * 2 * SESSIONS),
        "seconds_a_time_point": spent,
        "peak_gb": peak,
    }


def compare_svm(stimuli: int, compared: int) -> dict[str, float]:
    """The same for support vector machines, one thread each."""
    epochs, stimulus, session = simulate(stimuli, 1)
    rows, columns = np.triu_indices(stimuli, 1)
    rdm = prepare(stimulus, session, SVM, seed=0, threads=1)
    rdm(epochs[:, :, 0])  # compile
    spent = seconds(lambda: rdm(epochs[:, :, 0]), repetitions=3) / (len(rows) * SESSIONS)
    chosen = np.random.default_rng(2).choice(len(rows), size=compared, replace=False)
    pairs = [(int(rows[pair]), int(columns[pair])) for pair in chosen]
    expected, theirs = oracle(SVC(kernel="linear", C=SVM.cost), epochs, stimulus, session, pairs)
    same = np.abs(rdm(epochs[:, :, 0])[chosen] - expected[:, 0]) < 1e-6
    return {
        "svm_microseconds_per_pair_fold": 1e6 * spent,
        "svm_speedup_over_sklearn": theirs / spent,
        "svm_share_identical": float(same.mean()),
    }


def main() -> None:
    """Run, and write one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer stimuli and pairs: under 50 seconds")
    quick = parser.parse_args().quick
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    warnings.filterwarnings("ignore")
    threads = available_threads(2)
    found: dict[str, Any] = compare(*((480, 2, 8) if quick else (1854, 3, 60)), threads=threads)
    found |= compare_svm(*((48, 8) if quick else (96, 60)))
    found |= {"threads": threads, "device": f"cpu, {platform.machine()}"}
    sys.stdout.write(
        json.dumps({name: round(v, 4) if isinstance(v, float) else v for name, v in found.items()}) + "\n"
    )


if __name__ == "__main__":
    main()
