"""From raw MEG or EEG to epochs: choose channels, filter, take artefacts out, cut, correct the baseline, reject."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import mne
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cliphba.config import Preprocessing, TimeGrid
from cliphba.meg import artefacts, rejection
from cliphba.meg import channels as choose
from cliphba.meg.artefacts import Excluded
from cliphba.meg.spectrum import compare_channels, measure_spectrum

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A recording and what was shown in it.

    Attributes
    ----------
    raw
        As it was recorded; not loaded yet.
    trials
        One row a trial, as `cliphba.meg.events.select_trials` gives them.
    session, run
        Names, such as ``ses-02`` and ``run-01``.
    """

    raw: mne.io.BaseRaw
    trials: pd.DataFrame
    session: str
    run: str


@dataclass(frozen=True)
class Source:
    """What is told of a recording, beside its epochs.

    Attributes
    ----------
    session, run
        Its names.
    bad
        Its bad channels.
    excluded
        Components of eyes and heart that were taken out, if any were looked for.
    spectra
        As `cliphba.meg.spectrum.measure_spectrum` gives it, with ``stage`` (recorded, preprocessed), if asked for.
    strengths
        As `cliphba.meg.spectrum.compare_channels` gives them for what was recorded, if spectra are asked for.
    """

    session: str
    run: str
    bad: Sequence[str]
    excluded: Excluded | None
    spectra: pd.DataFrame | None
    strengths: pd.Series[float] | None


@dataclass(frozen=True)
class Preprocessed:
    """What became of a recording.

    Attributes
    ----------
    epochs
        With the metadata ``stimulus``, ``session``, ``run`` and ``trial``.
    trials
        The same columns of every trial that was recorded, and ``outcome``: kept, or why it was lost (one of
        `cliphba.meg.rejection.REASONS`).
    source
        What is told of the recording.
    """

    epochs: mne.BaseEpochs
    trials: pd.DataFrame
    source: Source


def prepare_channels(
    raws: Sequence[mne.io.BaseRaw], settings: Preprocessing, *, participant: str, datatype: choose.Datatype
) -> list[str]:
    """Mark the bad channels of a participant's recordings, in place, and choose those that become patterns.

    Raises
    ------
    ValueError
        If there is no bad channel of a name, or no good channel that all recordings have.
    """
    choose.mark_bad(raws, settings.bad_channels_for(participant))
    return choose.choose_channels(raws, datatype=datatype, interpolate=settings.interpolate_bad_channels)


def preprocess(
    recording: Recording,
    channels: Sequence[str],
    settings: Preprocessing,
    grid: TimeGrid,
    *,
    seed: int = 0,
    with_spectra: bool = False,
) -> Preprocessed:
    """Turn one recording into epochs, one a picture.

    Parameters
    ----------
    recording
        The recording and its trials.
    channels
        That become patterns, from `prepare_channels`.
    settings
        How it is preprocessed.
    grid
        Span of an epoch, and time between its samples; one of them falls on the onset.
    seed
        Of independent component analysis.
    with_spectra
        Whether spectra of the recording are measured, before and after.

    Returns
    -------
    Preprocessed
        Epochs, and what became of every trial.

    Raises
    ------
    ValueError
        If the band reaches too high for the step, onsets repeat, a setting asks for what the recording lacks, or no
        trial is left.
    """
    _check(recording, settings, grid)
    raw, excluded = _clean(recording.raw, channels, settings, seed)
    spectra = _compare_spectra(recording.raw, raw, channels) if with_spectra else None
    strengths = compare_channels(recording.raw, channels) if with_spectra else None
    raw, decimation = _resample(raw, grid.step_ms)
    epochs = _cut(raw, decimation, recording, settings, grid)
    allowed = {str(kind): most for kind, most in settings.rejection_peak_to_peak.items()}
    epochs = rejection.reject(epochs, deviations=settings.rejection_deviations, allowed=allowed)
    trials = _account(recording, epochs)
    if settings.baseline == "z_score":
        _standardise(epochs, raw)
    bad = list(recording.raw.info["bads"])
    source = Source(recording.session, recording.run, bad, excluded, spectra, strengths)
    return Preprocessed(epochs, trials, source)


def _compare_spectra(recorded: mne.io.BaseRaw, cleaned: mne.io.BaseRaw, channels: Sequence[str]) -> pd.DataFrame:
    """Measure the spectra of the same channels before and after all that is done to the continuous recording."""
    stages = {"recorded": recorded, "preprocessed": cleaned}
    return pd.concat([measure_spectrum(raw, channels).assign(stage=stage) for stage, raw in stages.items()])


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
        raise ValueError("epochs hold fewer than two samples before the stimulus: let them begin earlier.")
    spread: NDArray[np.float64] = np.std(before, axis=(0, 2))
    _check_vary(spread > 0, names)
    return spread


def _check_vary(vary: NDArray[np.bool_], names: Sequence[str]) -> None:
    if not vary.all():
        flat = [name for name, varies in zip(names, vary, strict=True) if not varies]
        raise ValueError(f"channels {', '.join(flat)} are flat before the stimulus: mark them as bad.")


def _check(recording: Recording, settings: Preprocessing, grid: TimeGrid) -> None:
    """Refuse trials at the same time, and a band that decimation would fold back."""
    if recording.trials["onset"].dropna().duplicated().any():
        raise ValueError(
            f"{recording.session}, {recording.run}: trials have the same onset; let events.where keep one event a "
            "picture."
        )
    stop, nyquist = _stop_hz(settings.low_pass_hz), 500 / grid.step_ms
    if stop > nyquist:
        raise ValueError(
            f"low_pass_hz lets frequencies up to {stop:g} Hz pass, but samples every {grid.step_ms:g} ms (step_ms) "
            f"carry only {nyquist:g} Hz: lower it to {min(nyquist - 2, nyquist / 1.25):g} or refine step_ms."
        )


def _clean(
    recorded: mne.io.BaseRaw, channels: Sequence[str], settings: Preprocessing, seed: int
) -> tuple[mne.io.BaseRaw, Excluded | None]:
    """Give a copy of the wanted channels as one continuous stretch: compensated, filtered, without eyes and heart."""
    helping = artefacts.auxiliary_channels(recorded, channels, settings.ica)
    if settings.gradient_compensation is not None:
        helping += [recorded.ch_names[pick] for pick in mne.pick_types(recorded.info, meg=False, ref_meg=True)]
    wanted = {*channels, *helping}
    raw = recorded.copy().pick([name for name in recorded.ch_names if name in wanted], verbose="error")
    raw.load_data(verbose="error")
    if settings.gradient_compensation is not None:
        choose.compensate(raw, settings.gradient_compensation)
    raw, excluded = _filter(raw, settings), None
    if settings.ica.components is not None:
        good = [name for name in channels if name not in raw.info["bads"]]
        excluded = artefacts.remove_artefacts(raw, good, settings.ica, seed=seed)
    # in the order of the participant's other recordings
    raw.pick(list(channels), verbose="error")
    choose.interpolate_bads(raw)
    if settings.reference is not None:
        choose.refer(raw, settings.reference)
    return raw, excluded


def _filter(raw: mne.io.BaseRaw, settings: Preprocessing) -> mne.io.BaseRaw:
    # Where the pass band has ended there is nothing left to notch out.
    stop_hz, line_hz = _stop_hz(settings.low_pass_hz), settings.line_hz
    if line_hz is not None and line_hz < stop_hz:
        raw.notch_filter(np.arange(line_hz, stop_hz, line_hz), verbose="error")
    return raw.filter(settings.high_pass_hz, settings.low_pass_hz, verbose="error")


def _stop_hz(low_pass_hz: float) -> float:
    """Frequency at which the low-pass blocks: MNE's falls off over a quarter of its cut-off, at least 2 Hz."""
    return low_pass_hz + max(2.0, low_pass_hz / 4)


def _cut(
    raw: mne.io.BaseRaw, decimation: int, recording: Recording, settings: Preprocessing, grid: TimeGrid
) -> mne.BaseEpochs:
    """Cut epochs of the trials that have an onset, decimated, the mean of their baseline subtracted."""
    trials = recording.trials[recording.trials["onset"].notna()]
    start_ms, stop_ms = settings.baseline_ms or (grid.start_ms, 0)
    return mne.Epochs(
        raw,
        _find_samples(raw, trials["onset"]),
        tmin=grid.start_ms / 1000,
        tmax=grid.stop_ms / 1000,
        baseline=(start_ms / 1000, stop_ms / 1000),
        decim=decimation,
        metadata=_describe(recording, trials),
        preload=True,
        verbose="error",
    )


def _resample(raw: mne.io.BaseRaw, step_ms: float) -> tuple[mne.io.BaseRaw, int]:
    """Bring the sampling rate to a whole multiple of the wanted one; return that multiple too."""
    rate = float(raw.info["sfreq"])
    decimation = max(1, round(rate * step_ms / 1000))
    wanted = decimation * 1000 / step_ms
    # Decimation alone keeps samples where they were; over an epoch of seconds 1e-5 is less than a sample.
    return (raw if abs(wanted / rate - 1) < 1e-5 else raw.resample(wanted, verbose="error")), decimation


def _find_samples(raw: mne.io.BaseRaw, onset: pd.Series[float]) -> NDArray[np.int64]:
    """Events as MNE takes them: sample, zero and a code, which the metadata make superfluous."""
    sample = raw.first_samp + raw.time_as_index(onset.to_numpy(), use_rounding=True)
    return np.column_stack([sample, np.zeros_like(sample), np.ones_like(sample)])


def _describe(recording: Recording, trials: pd.DataFrame) -> pd.DataFrame:
    """Metadata of the epochs."""
    named = trials[["stimulus", "trial"]].assign(session=recording.session, run=recording.run)
    return named[["stimulus", "session", "run", "trial"]].reset_index(drop=True)


def _account(recording: Recording, epochs: mne.BaseEpochs) -> pd.DataFrame:
    """Say of every trial what became of it; refuse to go on without any."""
    has_onset = recording.trials["onset"].notna().to_numpy()
    outcome = np.full(len(has_onset), "no_onset", dtype=object)
    outcome[has_onset] = rejection.outcomes(epochs.drop_log)
    where, said = f"{recording.session}, {recording.run}", rejection.describe(outcome.tolist())
    logger.info("%s: %s.", where, said)
    if not len(epochs):
        raise ValueError(f"{where}: no trial is left ({said}); check the onsets of the events and what is rejected.")
    return _describe(recording, recording.trials).assign(outcome=outcome.astype(str))


def _standardise(epochs: mne.BaseEpochs, raw: mne.io.BaseRaw) -> None:
    """Put each trial and channel, in place, into standard deviations of its own baseline, whose mean is zero already.

    As the mean, they are those of all samples of the recording and not only of the few that decimation leaves.
    """
    start_s, stop_s = epochs.baseline
    before = mne.Epochs(raw, epochs.events, tmin=start_s, tmax=stop_s, baseline=None, preload=True, verbose="error")
    spread = before.get_data(copy=False).std(axis=2)
    _check_vary((spread > 0).all(axis=0), raw.ch_names)
    samples = epochs.get_data(copy=False)
    samples /= spread[:, :, None]
