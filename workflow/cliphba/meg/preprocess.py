"""From raw MEG or EEG to epochs: filter, cut, correct the baseline, decimate, reject."""

import logging
from collections.abc import Sequence
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from mne_bids import BIDSPath, read_raw_bids
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

CONSISTENT = 1.4826  # turns the median absolute deviation of a normal distribution into its standard deviation


def read_recording(
    *, root: Path, participant: str, session: str, task: str, run: str | None = None
) -> tuple[mne.io.BaseRaw, pd.DataFrame]:
    """Read one recording of a BIDS data set with its table of events.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the data set.
    participant : str
        Name of the participant, such as ``sub-01``.
    session, task : str
        BIDS entities, such as ``01`` and ``pictures``.
    run : str or None
        Run within the session, where there are several.

    Returns
    -------
    raw : mne.io.BaseRaw
        The recording, not yet loaded, with the bad channels that the data set names.
    events : pandas.DataFrame
        The table of events as it stands in the data set; ``onset`` is in seconds from the start of the recording.

    Raises
    ------
    ValueError
        If the recording or its table of events does not exist.
    """
    wanted = BIDSPath(
        root=root, subject=participant.removeprefix("sub-"), session=session, task=task, run=run, check=True
    )
    found = [path for path in wanted.match() if path.suffix in ("meg", "eeg") and path.extension != ".json"]
    if not found:
        raise ValueError(f"{root} holds no recording {wanted.basename}: check participant, session, task and run.")
    table = found[0].copy().update(suffix="events", extension=".tsv", split=None)
    if not table.fpath.exists():
        raise ValueError(f"{table.fpath} is missing: BIDS needs it to say which stimulus was shown when.")
    raw = read_raw_bids(found[0], verbose="error")
    return raw, pd.read_csv(table.fpath, sep="\t", dtype={"stimulus": str})


def preprocess(
    raw: mne.io.BaseRaw,
    events: pd.DataFrame,
    *,
    session: str,
    band_hz: tuple[float, float],
    notch_hz: float | None,
    epoch_ms: tuple[float, float],
    baseline_ms: tuple[float, float],
    step_ms: float,
    rejection: float | None,
    picks: str | list[str] = "data",
) -> mne.Epochs:
    """Turn one recording into epochs, one a picture.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording.
    events : pandas.DataFrame
        One row a trial: ``onset`` (s from the start), ``stimulus`` (its id) and, if wanted, ``trial`` (its number).
    session : str
        Name of the session, kept with every trial.
    band_hz : (float, float)
        Pass band of the filter.
    notch_hz : float or None
        Frequency of the mains, removed with its harmonics as far as the pass band lets them through.
    epoch_ms, baseline_ms : (float, float)
        Span of an epoch, and of the stretch whose mean is subtracted.
    step_ms : float
        Time between the samples of the epochs; one of them falls on the onset.
    rejection : float or None
        Robust standard deviations by which a trial's peak-to-peak range may exceed the others'. None keeps all.
    picks : str or list of str
        Channels or channel types, as MNE takes them.

    Returns
    -------
    mne.Epochs
        Epochs with the metadata ``stimulus``, ``session`` and ``trial``.

    Raises
    ------
    ValueError
        If the band reaches too high for the step, a column is missing, onsets repeat, or no trial is left.
    """
    _check(events, band_hz=band_hz, step_ms=step_ms)
    filtered, decimation = _resample(_filter(raw, band_hz=band_hz, notch_hz=notch_hz, picks=picks), step_ms)
    epochs = mne.Epochs(
        filtered,
        _find_samples(filtered, events["onset"]),
        tmin=epoch_ms[0] / 1000,
        tmax=epoch_ms[1] / 1000,
        baseline=(baseline_ms[0] / 1000, baseline_ms[1] / 1000),
        decim=decimation,
        metadata=_describe(events, session),
        preload=True,
        verbose="error",
    )
    return _reject(epochs, rejection, trials=len(events), session=session)


def baseline_spread(before: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Measure how much every channel varies before the stimulus, in units of which unlike sensors can be compared.

    Parameters
    ----------
    before : float array (trials, channels, times)
        Samples of one session before the stimulus.
    names : sequence of str
        Of the channels.

    Returns
    -------
    float array (channels,)
        Standard deviations over trials and times.

    Raises
    ------
    ValueError
        If a channel is flat before the stimulus, or there is nothing before it.
    """
    if before.shape[2] < 2:
        raise ValueError("epoch_ms holds fewer than two samples before the stimulus: let epochs begin earlier.")
    spread: NDArray[np.float64] = np.std(before, axis=(0, 2))
    if not (spread > 0).all():
        flat = [name for name, value in zip(names, spread, strict=True) if not value > 0]
        raise ValueError(f"channels {', '.join(flat)} are flat before the stimulus: mark them as bad.")
    return spread


def _check(events: pd.DataFrame, *, band_hz: tuple[float, float], step_ms: float) -> None:
    """Refuse a table of events without the needed columns, and a band that decimation would fold back."""
    if missing := {"onset", "stimulus"} - set(events.columns):
        raise ValueError(f"the table of events lacks the columns {', '.join(sorted(missing))}.")
    if events["onset"].duplicated().any():
        raise ValueError("the table of events holds trials with the same onset: keep one row a picture.")
    stop, nyquist = _stop_hz(band_hz), 500 / step_ms
    if stop > nyquist:
        raise ValueError(
            f"band_hz lets frequencies up to {stop:g} Hz pass, but samples every {step_ms:g} ms (step_ms) carry only "
            f"{nyquist:g} Hz: lower the upper end of band_hz to {min(nyquist - 2, nyquist / 1.25):g} or refine it."
        )


def _filter(
    raw: mne.io.BaseRaw, *, band_hz: tuple[float, float], notch_hz: float | None, picks: str | list[str]
) -> mne.io.BaseRaw:
    """Filter a copy of the wanted good channels, as one continuous stretch."""
    raw = raw.copy().pick(picks, exclude="bads").load_data(verbose="error")
    # Where the pass band has ended there is nothing left to notch out.
    stop_hz = _stop_hz(band_hz)
    if notch_hz is not None and notch_hz < stop_hz:
        raw.notch_filter(np.arange(notch_hz, stop_hz, notch_hz), verbose="error")
    return raw.filter(*band_hz, verbose="error")


def _stop_hz(band_hz: tuple[float, float]) -> float:
    """Frequency at which the low-pass blocks: MNE's falls off over a quarter of its cut-off, at least 2 Hz."""
    return band_hz[1] + max(2.0, band_hz[1] / 4)


def _resample(raw: mne.io.BaseRaw, step_ms: float) -> tuple[mne.io.BaseRaw, int]:
    """Bring the sampling rate to a whole multiple of the wanted one; return that multiple too."""
    rate = float(raw.info["sfreq"])
    decimation = max(1, round(rate * step_ms / 1000))
    wanted = decimation * 1000 / step_ms
    # Decimation alone keeps samples where they were; over an epoch of seconds 1e-5 is less than a sample.
    return (raw if abs(wanted / rate - 1) < 1e-5 else raw.resample(wanted, verbose="error")), decimation


def _find_samples(raw: mne.io.BaseRaw, onset: "pd.Series[float]") -> NDArray[np.int64]:
    """Events as MNE takes them: sample, zero and a code, which the metadata make superfluous."""
    sample = raw.first_samp + raw.time_as_index(onset.to_numpy(), use_rounding=True)
    return np.column_stack([sample, np.zeros_like(sample), np.ones_like(sample)])


def _describe(events: pd.DataFrame, session: str) -> pd.DataFrame:
    """Metadata of the epochs."""
    trial = events["trial"] if "trial" in events else np.arange(len(events))
    table = pd.DataFrame({"stimulus": events["stimulus"].astype(str), "session": session, "trial": trial})
    return table.reset_index(drop=True)


def _report_lost(epochs: mne.Epochs, trials: int, session: str) -> None:
    """Say how many trials were cut off or annotated as bad; refuse to go on without any."""
    if not len(epochs):
        raise ValueError(f"session {session}: no trial lies within the recording; check the onsets of the events.")
    if len(epochs) < trials:
        logger.warning(
            "session %s: %d of %d trials are cut off by the recording or annotated as bad.",
            session, trials - len(epochs), trials,
        )  # fmt: skip


def _reject(epochs: mne.Epochs, rejection: float | None, *, trials: int, session: str) -> mne.Epochs:
    """Drop trials whose range stands out, each channel measured by its own median range, whatever its type."""
    _report_lost(epochs, trials, session)
    if rejection is None:
        return epochs
    peak_to_peak = np.ptp(epochs.get_data(copy=False), axis=2)
    typical = np.maximum(np.median(peak_to_peak, axis=0), np.finfo(float).tiny)
    # The logarithm makes ranges nearly normal; the mean of the worst tenth of the channels ignores one noisy sensor.
    relative = np.sort(peak_to_peak / typical, axis=1)[:, -max(1, peak_to_peak.shape[1] // 10) :]
    worst = np.log(np.maximum(relative.mean(axis=1), np.finfo(float).tiny))
    deviation = worst - np.median(worst)
    spread = CONSISTENT * np.median(np.abs(deviation))
    outlying = deviation > rejection * max(spread, np.finfo(float).eps)
    logger.info("session %s: %d of %d trials rejected for their range.", session, outlying.sum(), len(epochs))
    return epochs.drop(outlying, reason="range", verbose="error")
