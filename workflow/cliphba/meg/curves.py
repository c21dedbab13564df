"""How strong and how lasting the measured geometry is at each time: the temporal curves of CLIP-HBA-MEG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from cliphba import rdm

# Smoothing of the noise curve in samples (CLIP-HBA, arXiv 2502.04658, Methods).
NOISE_SMOOTHING = 3


def temporal_curves(rdms: Sequence[NDArray[np.floating]], times_ms: NDArray[np.float64]) -> pd.DataFrame:
    """Measure richness, generalisation and noise of RDM time courses (arXiv 2502.04658, Methods).

    Parameters
    ----------
    rdms
        Of each participant (times, pairs), of training images in the training half of the data; looked at one after
        the other.
    times_ms
        (times,).

    Returns
    -------
    DataFrame
        Columns time_ms; richness ("alpha": mean over pairs and participants); generalisation ("beta": mean
        correlation with the RDMs at all times, averaged over participants); noise ("n": the smoothed complement
        of generalisation). Each min-max scaled over time; the first two are zero up to onset.
    """
    after_onset = times_ms > 0
    richness = _scale(np.mean([one.mean(axis=1, dtype=np.float64) for one in rdms], axis=0)) * after_onset
    generalisation = np.mean([_scale(mean_generalisation(one)) for one in rdms], axis=0) * after_onset
    noise = _scale(gaussian_filter1d(1 - generalisation, NOISE_SMOOTHING))
    return pd.DataFrame({"time_ms": times_ms, "richness": richness, "generalisation": generalisation, "noise": noise})


def mean_generalisation(rdms: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean over t' of the correlation of the RDM at t with that at t': (..., times, pairs) to (..., times)."""
    unit = rdm.standardise(rdms.astype(np.float64))
    generalisation: NDArray[np.float64] = (unit * unit.mean(axis=-2, keepdims=True)).sum(-1)
    return generalisation


def _scale(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Min-max scale along the last axis; a constant curve becomes zero."""
    low = values.min(-1, keepdims=True)
    span = values.max(-1, keepdims=True) - low
    scaled: NDArray[np.float64] = np.divide(values - low, span, out=np.zeros_like(values), where=span > 0)
    return scaled
