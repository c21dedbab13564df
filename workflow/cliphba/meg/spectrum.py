"""How strong a recording is at each frequency, and each channel: that tells mains, drifts, noisy and dead sensors."""

from __future__ import annotations

from collections.abc import Sequence

import mne
import numpy as np
import pandas as pd

# A stretch from the middle is enough to see what there is; half a hertz tells the mains from what lies beside.
STRETCH_S, RESOLUTION_HZ, HIGHEST_HZ = 120.0, 0.5, 130.0


def measure_spectrum(raw: mne.io.BaseRaw, channels: Sequence[str]) -> pd.DataFrame:
    """Measure the amplitude spectral density of a stretch from the middle of a recording (Welch's method).

    Parameters
    ----------
    raw
        The recording, loaded or not.
    channels
        Which of its channels.

    Returns
    -------
    pandas.DataFrame
        ``channel_type`` (as MNE names it), ``hz`` and ``density``: the median over channels of the type, in their
        unit per root hertz.
    """
    density = _measure_densities(raw, channels)
    courses = density.T.groupby(level="channel_type", sort=False).median().T
    return courses.melt(ignore_index=False, var_name="channel_type", value_name="density").reset_index()


def compare_channels(raw: mne.io.BaseRaw, channels: Sequence[str]) -> pd.Series[float]:
    """Compare how strong each channel is with the others of its type.

    Parameters
    ----------
    raw
        The recording, loaded or not.
    channels
        Which of its channels.

    Returns
    -------
    pandas.Series
        By channel the median over frequencies of its amplitude spectral density, in medians of its type: around 1
        of good channels, much more of noisy ones, 0 of dead ones.
    """
    levels = _measure_densities(raw, channels).median()
    return (levels / levels.groupby(level="channel_type").transform("median")).droplevel("channel_type")


def _measure_densities(raw: mne.io.BaseRaw, channels: Sequence[str]) -> pd.DataFrame:
    """Amplitude spectral density of each channel of each type (columns) at each frequency (rows)."""
    middle, rate = raw.times[-1] / 2, raw.info["sfreq"]
    start, stop = max(0, middle - STRETCH_S / 2), min(raw.times[-1], middle + STRETCH_S / 2)
    part = raw.copy().crop(start, stop).pick(list(channels), verbose="error").load_data(verbose="error")
    part.info["bads"] = []
    found = part.compute_psd(
        method="welch",
        n_fft=min(part.n_times, round(rate / RESOLUTION_HZ)),
        fmax=min(HIGHEST_HZ, rate / 2),
        picks="all",
        verbose="error",
    )
    named = pd.MultiIndex.from_arrays([part.get_channel_types(), part.ch_names], names=["channel_type", "channel"])
    return pd.DataFrame(np.sqrt(found.get_data(picks="all")).T, index=pd.Index(found.freqs, name="hz"), columns=named)
