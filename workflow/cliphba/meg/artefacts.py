"""Eyes and heart, found by independent component analysis and taken out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mne
import numpy as np
from numpy.typing import NDArray

from cliphba.config import IndependentComponents

logger = logging.getLogger(__name__)

# Slow drifts are not independent of anything: what components are fitted to begins here.
FIT_FROM_HZ = 1.0
# Samples nearer than so many to the shortest period of the band say hardly more, and take as long.
SAMPLES_A_PERIOD = 4
# MNE takes components for those of eyes that lie three standard deviations from the mean of all, which one of n can
# only do if (n - 1) / sqrt(n) > 3.
FEWEST_COMPONENTS = 11


@dataclass(frozen=True)
class Excluded:
    """Components that were taken out of a recording.

    Attributes
    ----------
    ica
        The analysis, with all of its components.
    components
        Numbers of those that were taken out, by what they are of: eyes, heart.
    scores
        How much each component is like eyes or heart, as MNE measures it; the more, the larger.
    """

    ica: mne.preprocessing.ICA
    components: Mapping[str, Sequence[int]]
    scores: Mapping[str, NDArray[np.float64]]


def auxiliary_channels(raw: mne.io.BaseRaw, channels: Sequence[str], settings: IndependentComponents) -> list[str]:
    """Name the channels by which eyes and heart are recognised, besides `channels`, which become patterns.

    Raises
    ------
    ValueError
        If there are none, or none of a name that the settings give.
    """
    if settings.components is None:
        return []
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    eyes = _named(kinds, "eog", settings.eog)
    if settings.eog is not None and not eyes:
        raise ValueError(
            "preprocessing.ica.eog: there is no channel of type EOG; name channels near the eyes, or set it to null."
        )
    heart = _named(kinds, "ecg", settings.ecg)
    if settings.ecg is not None and not heart and not {"mag", "grad"} & {kinds[name] for name in channels}:
        raise ValueError(
            "preprocessing.ica.ecg: there is no channel of type ECG, and no MEG to stand for it; set it to null."
        )
    return [*eyes, *heart]


def _named(kinds: Mapping[str, str], kind: str, setting: str | Sequence[str] | None) -> list[str]:
    """Channels of a type, or those that a setting names."""
    if setting is None or setting == "auto":
        return [name for name, found in kinds.items() if found == kind and setting]
    names = [setting] if isinstance(setting, str) else list(setting)
    if missing := [name for name in names if name not in kinds]:
        raise ValueError(
            f"preprocessing.ica.{kind}: there is no channel {missing[0]}; channels are {', '.join(kinds)}."
        )
    return names


def remove_artefacts(
    raw: mne.io.BaseRaw, channels: Sequence[str], settings: IndependentComponents, *, seed: int
) -> Excluded:
    """Take components of eyes and heart out of a recording, in place.

    Components are fitted to a copy without slow drifts, at no more samples than its band needs; what is excluded is
    taken out of the recording as it is.

    Parameters
    ----------
    raw
        The filtered recording, with the channels by which eyes and heart are recognised.
    channels
        Good channels that are analysed.
    settings
        How many components there are, and what eyes and heart are recognised by.
    seed
        Of the algorithm's start.

    Returns
    -------
    Excluded
        What was taken out.

    Raises
    ------
    ValueError
        If there are too few components for any to stand out.
    """
    steady = raw.copy()
    if raw.info["highpass"] < FIT_FROM_HZ:
        steady.filter(FIT_FROM_HZ, None, verbose="error")
    ica = mne.preprocessing.ICA(
        settings.components,
        method=settings.method,
        fit_params={"extended": True} if settings.method == "infomax" else None,
        random_state=seed,
        verbose="error",
    )
    ica.fit(steady, picks=list(channels), decim=_decimation(raw), verbose="error")
    _check_number(int(ica.n_components_), settings)
    components: dict[str, list[int]] = {}
    scores: dict[str, NDArray[np.float64]] = {}
    for organ, find in _searches(ica, settings).items():
        found, score = find(steady, verbose="error")
        components[organ], scores[organ] = [int(number) for number in found], np.abs(np.atleast_2d(score)).max(axis=0)
    ica.exclude = sorted({number for found in components.values() for number in found})
    ica.apply(raw, verbose="error")
    logger.info("taken out of %d components: %s.", ica.n_components_, _describe(components))
    return Excluded(ica, components, scores)


def _decimation(raw: mne.io.BaseRaw) -> int:
    return max(1, int(raw.info["sfreq"] / (SAMPLES_A_PERIOD * raw.info["lowpass"])))


def _check_number(components: int, settings: IndependentComponents) -> None:
    if settings.eog is not None and components < FEWEST_COMPONENTS:
        raise ValueError(
            f"preprocessing.ica.components: the {components} components are too few for one of the eyes to stand out "
            f"from the others; take {FEWEST_COMPONENTS} or more, or a larger share of the variance."
        )


def _searches(ica: mne.preprocessing.ICA, settings: IndependentComponents) -> dict[str, Callable[..., Any]]:
    """MNE's own functions that find the components of eyes and heart, with the channels that settings name."""
    searches: dict[str, Callable[..., Any]] = {}
    if settings.eog is not None:
        names = None if settings.eog == "auto" else list(settings.eog)
        searches["eyes"] = lambda raw, **options: ica.find_bads_eog(raw, ch_name=names, **options)
    if settings.ecg is not None:
        name = None if settings.ecg == "auto" else settings.ecg
        searches["heart"] = lambda raw, **options: ica.find_bads_ecg(raw, ch_name=name, **options)
    return searches


def _describe(components: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{len(found)} of {organ}" for organ, found in components.items()) or "none"
