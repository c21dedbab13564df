"""How fast models are compared with people at the size of THINGS-MEG, against SciPy pair by pair, in one run.

    python -m tests.benchmarks.rsa [--quick]

Simulated RDMs of 1854 stimuli (1 717 731 pairs): accuracies of 4 participants, read from the tables that the workflow
writes, and embeddings of 3 models without and 5 with a time course, whose RDMs are made time point by time point. The
last line of the output is one JSON object:

- seconds_a_time_point: reading, making, ranking and comparing RDMs of 8 models and 4 participants, of `times` times
- minutes_for_281_times: extrapolated from these
- speedup_over_scipy: against `scipy.stats.spearmanr` for every combination, RDMs at hand, at `scipy_times` times
- largest_difference: of a coefficient from SciPy's
- peak_gb: largest resident memory of this process until then
- seconds_a_resample: what each of `resamples` bootstrap resamples adds to a time point, sorting included
- peak_resampled_gb: largest resident memory with resamples
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from cliphba import rdm, tables
from cliphba.evaluate import alignment
from cliphba.tables import Embedding, RDMSeries

STIMULI, DIMENSIONS, DECISIONS = 1854, 66, 24
PARTICIPANTS, STATIC, DYNAMIC = 4, 3, 5
TIMES_OF_A_STUDY = 281
NAMES = tuple(f"concept-{index}" for index in range(STIMULI))

logger = logging.getLogger(__name__)


def embed(seed: int, times_ms: NDArray[np.float64]) -> Embedding:
    """A model that knows something of what all share."""
    shared = np.random.default_rng(0).normal(size=(STIMULI, DIMENSIONS))
    own = np.random.default_rng(seed).normal(size=(len(times_ms), STIMULI, DIMENSIONS))
    return Embedding(times_ms, (shared + own).astype(np.float32), NAMES)


def accuracies(seed: int, times: int) -> Iterator[NDArray[np.float32]]:
    """Shares of right decisions, as decoding gives them, that depend a little on what all share."""
    generator = np.random.default_rng((1, seed))
    distance = embed(0, np.array([np.nan])).rdms(NAMES).values[0]
    for _ in range(times):
        yield (generator.binomial(DECISIONS, 0.5 + 0.04 * distance) / DECISIONS).astype(np.float32)


def simulate(folder: Path, times_ms: NDArray[np.float64]) -> tuple[dict[str, RDMSeries], dict[str, RDMSeries]]:
    """Models and participants, none of whose RDMs are in memory."""
    static = {f"static-{index}": embed(10 + index, np.array([np.nan])).series(NAMES) for index in range(STATIC)}
    dynamic = {f"dynamic-{index}": embed(20 + index, times_ms).series(NAMES) for index in range(DYNAMIC)}
    targets: dict[str, RDMSeries] = {}
    for index in range(PARTICIPANTS):
        path = folder / f"sub-{index}.parquet"
        tables.write_rdm_rows(accuracies(index, len(times_ms)), path, times_ms=times_ms, stimuli=NAMES)
        targets[f"sub-{index}"] = tables.open_rdms(path)
    return {**static, **dynamic}, targets


def seconds(models: Mapping[str, RDMSeries], targets: Mapping[str, RDMSeries], resamples: int) -> float:
    """How long the comparison takes."""
    start = time.perf_counter()
    alignment.measure(models, targets, resamples=resamples, seed=0)
    return time.perf_counter() - start


def compile_loops() -> None:
    """Compare RDMs that are just large enough for compiled ranking."""
    few = {"few": embed(0, np.array([np.nan])).series(NAMES[:50])}
    seconds(few, few, resamples=1)


def first_time(series: Mapping[str, RDMSeries]) -> dict[str, RDMSeries]:
    """The same series with one time."""
    return {name: tables.LazyRDMs(one.times_ms[:1], one.stimuli, one.row) for name, one in series.items()}


def peak_gb() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def oracle(
    models: Mapping[str, RDMSeries], targets: Mapping[str, RDMSeries], times: int
) -> tuple[NDArray[np.float64], float]:
    """Coefficients (models, participants, times) by SciPy, and seconds a time point without making the RDMs."""
    rho, spent = np.empty((len(models), len(targets), times)), 0.0
    for sample in range(times):
        predicted = [model.row(min(sample, len(model.times_ms) - 1)) for model in models.values()]
        measured = [target.row(sample) for target in targets.values()]
        start = time.perf_counter()
        rho[..., sample] = [[spearmanr(one, other).statistic for other in measured] for one in predicted]
        spent += time.perf_counter() - start
    return rho, spent / times


def compare(times: int, scipy_times: int, resamples: int) -> dict[str, float]:
    """Run both on the same RDMs."""
    compile_loops()
    with tempfile.TemporaryDirectory() as folder:
        models, targets = simulate(Path(folder), 5.0 * np.arange(1, times + 1))
        beginning = first_time(models), first_time(targets)
        logger.info("streamed: %d times of %d pairs", times, rdm.pair_count(STIMULI))
        one = seconds(*beginning, resamples=0)
        start = time.perf_counter()
        found = alignment.measure(models, targets, resamples=0, seed=0)
        spent = (time.perf_counter() - start - one) / (times - 1)
        peak = peak_gb()
        resampled = seconds(*beginning, resamples=resamples) - one
        peak_resampled = peak_gb()
        logger.info("SciPy: %d times", scipy_times)
        expected, theirs = oracle(models, targets, scipy_times)
    streamed = np.stack([found.rho[name].value[:, :scipy_times] for name in models])
    return {
        "seconds_a_time_point": spent,
        "minutes_for_281_times": (one + (TIMES_OF_A_STUDY - 1) * spent) / 60,
        "speedup_over_scipy": theirs / spent,
        "largest_difference": float(np.abs(streamed - expected).max()),
        "peak_gb": peak,
        "seconds_a_resample": resampled / resamples,
        "peak_resampled_gb": peak_resampled,
        "times": times,
        "scipy_times": scipy_times,
        "resamples": resamples,
    }


def main() -> None:
    """Run, and write one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer times: under 50 seconds")
    quick = parser.parse_args().quick
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    found = compare(*((3, 1, 2) if quick else (9, 3, 8)))
    sys.stdout.write(json.dumps({**found, "device": f"cpu, {platform.machine()}"}) + "\n")


if __name__ == "__main__":
    main()
