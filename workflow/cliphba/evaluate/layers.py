"""Which layer is like the brain at which time? Each block of a vision tower against everybody's recordings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cliphba import rdm
from cliphba.evaluate import alignment, latencies, significance
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate, stacked
from cliphba.evaluate.findings import PEOPLE_AND_IMAGES, Finding, Independence, Procedure, tabulate
from cliphba.evaluate.group import course
from cliphba.evaluate.significance import Question
from cliphba.meg.latency import peak_latency
from cliphba.tables import RDMs, RDMSeries


def evaluate(
    towers: Mapping[str, Mapping[int, RDMs]],
    measured: Mapping[str, RDMSeries],
    procedure: Procedure,
    *,
    independence: Mapping[str, Independence],
) -> dict[str, pd.DataFrame]:
    """Set the blocks of vision towers against the brains of all participants.

    Parameters
    ----------
    towers
        Model to the RDM of each block of its tower, such as `cliphba.tables.ClassTokens.rdms`.
    measured
        Participant to measured RDMs of the same images.
    procedure
        How RDMs are compared, and how intervals and p are made.
    independence
        Of each model.

    Returns
    -------
    dict
        Kind to table: ``layer_alignment``, ``layer_latency`` and ``summary``, which says whether later blocks peak
        later.
    """
    tables: dict[str, list[pd.DataFrame]] = {"layer_alignment": [], "layer_latency": []}
    findings = []
    for model, blocks in towers.items():
        named = {str(block): rdms for block, rdms in blocks.items()}
        found = alignment.measure(named, measured, **procedure.bootstrap(), label=f"blocks of {model}")
        source = independence[model]
        tables["layer_alignment"].append(_courses(found, named, measured, procedure, source).assign(model=model))
        tables["layer_latency"].append(_latencies(found).assign(model=model, **source.columns()))
        findings.append(Finding("layer_order", model, order(found), PEOPLE_AND_IMAGES, source))
    joined = {kind: pd.concat(parts, ignore_index=True) for kind, parts in tables.items()}
    images = len(next(iter(measured.values())).stimuli)
    return {**joined, "summary": tabulate(findings, images=images, people=len(measured))}


def order(found: Alignments) -> Estimate:
    """Tell whether later blocks peak later: Spearman correlation of a block's number with when it peaks.

    What peaks is the mean alignment over participants. There is no p: relabelled images leave nothing that could
    peak, and blocks cannot change places, as neighbours are alike.

    Parameters
    ----------
    found
        Alignment of every block, the first block first.

    Returns
    -------
    Estimate
        A scalar; 0 if all blocks peak at the same time.
    """
    depth = np.arange(len(found.rho), dtype=np.float64)
    courses = stacked([found.mean(block) for block in found.rho])
    return courses.map(lambda rho: rdm.spearman(peak_latency(rho, found.times_ms), depth))


def _courses(
    found: Alignments,
    blocks: Mapping[str, RDMs],
    measured: Mapping[str, RDMSeries],
    procedure: Procedure,
    source: Independence,
) -> pd.DataFrame:
    """Alignment of every block over time, with p of its mean over participants."""
    parts = []
    for block, rdms in blocks.items():
        rho = found.rho[block]
        tested = significance.of_mean(rho.value, [Question(rdms, list(measured.values()))], procedure)
        parts.append(course(found, block, rho, tested, source))
    return _by_block(pd.concat(parts, ignore_index=True), "model")


def _latencies(found: Alignments) -> pd.DataFrame:
    parts = [
        latencies.table(block, rho, found.times_ms, found.participants, found.draws)
        for block, rho in found.rho.items()
    ]
    return _by_block(pd.concat(parts, ignore_index=True), "curve")


def _by_block(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Turn the names of curves into numbers of blocks."""
    return frame.assign(block=frame[column].astype(int)).drop(columns=column)
