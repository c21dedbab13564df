"""Alignment that other RDMs do not explain: partial correlation of RDMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import orth

from cliphba import rdm
from cliphba.evaluate import alignment, significance
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.bootstrap import Estimate, Reals
from cliphba.evaluate.findings import Procedure
from cliphba.evaluate.significance import Question, Significance
from cliphba.rdm import Comparison
from cliphba.tables import LazyRDMs, RDMs, RDMSeries

# Controls drawn repeatedly may be alike: such eigenvalues of their correlations, as shares of the largest, are 0.
SINGULAR = 1e-10


def measure(
    models: Mapping[str, RDMSeries],
    measured: Mapping[str, RDMSeries],
    controls: Mapping[str, RDMs],
    procedure: Procedure,
) -> Alignments:
    """Align models with participants after what controls explain is taken out of both.

    Parameters
    ----------
    models, measured
        As of `alignment.measure`.
    controls
        Name to static RDMs of the same images.
    procedure
        How RDMs are compared, and the resamples. By rank, it is the partial Spearman correlation of pairs.

    Returns
    -------
    Alignments
        Of the models. In each resample all correlations are taken anew.
    """
    direct = alignment.measure({**models, **controls}, measured, **procedure.bootstrap())
    times_ms = direct.times_ms
    constant = {name: _constant(control, times_ms) for name, control in controls.items()}
    among = alignment.measure({**models, **controls}, constant, **procedure.bootstrap(), label="controls")

    def stack(side: Alignments, values: str) -> Reals:
        return np.stack([getattr(side.rho[name], values) for name in controls], axis=-3)

    def partial(model: str, values: str) -> Reals:
        whole, of_model = (getattr(side.rho[model], values) for side in (direct, among))
        return partial_correlation(whole, of_model, stack(direct, values), stack(among, values)[..., 0])

    rho = {name: Estimate(partial(name, "value"), partial(name, "resampled")) for name in models}
    return replace(direct, rho=rho)


def test(
    rho: Reals,
    model: RDMSeries,
    measured: Mapping[str, RDMSeries],
    controls: Mapping[str, RDMs],
    procedure: Procedure,
) -> Significance:
    """Test the mean of partial alignments by relabelling what controls leave of the RDMs.

    Parameters
    ----------
    rho
        (participants, times) what was measured.
    model, measured, controls, procedure
        As of `measure`.

    Returns
    -------
    Significance
        Of residuals on residuals, which holds its level (Legendre 2000, doi:10.1080/00949650008812035).
    """
    taken = list(controls.values())
    left = [residual(one, taken, procedure.comparison) for one in (model, *measured.values())]
    # of residuals of ranks no ranks are taken
    comparison: Comparison = "pearson" if procedure.comparison == "spearman" else procedure.comparison
    return significance.of_mean(rho, [Question(left[0], left[1:])], replace(procedure, comparison=comparison))


def partial_correlation(whole: Reals, of_model: Reals, of_measured: Reals, among: Reals) -> Reals:
    """Partial correlation from whole ones.

    Parameters
    ----------
    whole
        (..., participants, times) of a model with what was measured.
    of_model
        (..., controls, times) of the model with controls.
    of_measured
        (..., controls, participants, times) of what was measured with controls.
    among
        (..., controls, controls) of controls with each other.

    Returns
    -------
    array
        As `whole`.
    """
    inverse = np.linalg.pinv(among, rcond=SINGULAR, hermitian=True)
    weights = np.einsum("...cd,...dt->...ct", inverse, of_model)
    explained = np.einsum("...ct,...ct->...t", weights, of_model)[..., None, :]
    explained_measured = np.einsum("...cpt,...cd,...dpt->...pt", of_measured, inverse, of_measured, optimize=True)
    common = np.einsum("...ct,...cpt->...pt", weights, of_measured)
    left = (1 - explained) * (1 - explained_measured)
    return np.asarray((whole - common) / np.sqrt(np.maximum(left, rdm.TINY)))


def residual(series: RDMSeries, controls: Sequence[RDMs], comparison: Comparison) -> LazyRDMs:
    """Give what controls do not explain of RDMs, at each time the residual of a linear regression.

    Parameters
    ----------
    series
        RDMs over time, or static ones.
    controls
        Static RDMs of the same images.
    comparison
        "spearman": of ranks on ranks.
    """
    basis = orth(np.stack([rdm.unit(one.row(0), comparison) for one in controls], axis=-1))

    def row(index: int) -> rdm.Floats:
        unit = rdm.unit(series.row(index), comparison)
        return np.asarray(unit - basis @ (basis.T @ unit), dtype=np.float32)

    return LazyRDMs(series.times_ms, series.stimuli, row)


def _constant(control: RDMs, times_ms: Reals) -> RDMs:
    return replace(control, times_ms=times_ms, values=np.repeat(control.values, len(times_ms), axis=0))
