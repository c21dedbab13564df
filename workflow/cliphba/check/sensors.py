"""Sensors, sampling rates and filters: whether preprocessing finds what it needs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import mne
import numpy as np

from cliphba.check.bids_files import WHERE, Recorded
from cliphba.check.findings import Chapter, Finding, Found, Problem
from cliphba.config import Preprocessing, Study
from cliphba.listing import some
from cliphba.meg import bids
from cliphba.meg.artefacts import auxiliary_channels
from cliphba.meg.channels import Datatype, choose_channels, compensate, mark_bad, refer
from cliphba.meg.rejection import exceeding
from cliphba.sources import BIDSRecordings

# Descriptions may round.
SHORTER_S = 2


class Opened(NamedTuple):
    """A recording that was opened: what stands beside it, and what it says itself."""

    recorded: Recorded
    raw: mne.io.BaseRaw

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.raw.times[-1])


def open_first(chapter: Chapter, settings: BIDSRecordings, recorded: Sequence[Recorded]) -> list[Opened]:
    """Open the first recording of each participant, without loading it."""
    first = {one.participant: one for one in reversed(recorded) if one.trials is not None}
    opened = []
    for _, one in sorted(first.items()):
        with chapter.reporting(str(one.path)):
            opened.append(Opened(one, bids.open_recording(one.path, settings.events).raw))
    return opened


def survey(chapter: Chapter, settings: BIDSRecordings, study: Study, opened: Sequence[Opened]) -> None:
    """See whether recordings are what preprocessing needs."""
    for recorded, raw in opened:
        preprocessing, participant = study.preprocessing, recorded.participant
        judge_channels(chapter, raw, preprocessing, participant=participant, datatype=settings.datatype)
    infos = {one.recorded.participant: one.raw.info for one in opened}
    chapter.found += [*describe(infos), *judge_rates(infos, study), *judge_durations(opened)]


def judge_channels(
    chapter: Chapter, raw: mne.io.BaseRaw, settings: Preprocessing, *, participant: str, datatype: Datatype
) -> None:
    """Ask of a recording everything that preprocessing will ask of its channels."""
    for name in settings.bad_channels_for(participant):
        with chapter.reporting(participant):
            mark_bad([raw], [name])
    chosen: list[str] = []
    with chapter.reporting(participant):
        chosen = choose_channels([raw], datatype=datatype, interpolate=settings.interpolate_bad_channels)
        auxiliary_channels(raw, chosen, settings.ica)
    # nothing, as long as two samples, stands for what was recorded
    silence = mne.io.RawArray(np.zeros((len(raw.ch_names), 2)), raw.info, verbose="error")
    with chapter.reporting(participant):
        if settings.gradient_compensation is not None:
            compensate(silence, settings.gradient_compensation)
    with chapter.reporting(participant):
        if chosen and settings.reference is not None:
            refer(silence.copy().pick(chosen), settings.reference)
    with chapter.reporting(participant):
        types = raw.get_channel_types(chosen) if chosen else []
        allowed = {str(kind): most for kind, most in settings.rejection_peak_to_peak.items()}
        exceeding(np.zeros((1, len(types))), types, allowed)


def judge_durations(opened: Sequence[Opened]) -> Iterator[Problem]:
    """Compare how long recordings are with what is said of them."""
    for one in opened:
        if abs(one.seconds - one.recorded.seconds) > SHORTER_S:
            yield Problem(
                str(one.recorded.path),
                f"lasts {one.seconds:.1f} s, but its description says {one.recorded.seconds:.1f} s",
                "get it again if it was cut off",
                fatal=False,
            )


def describe(infos: Mapping[str, mne.Info]) -> Iterator[Found]:
    """Say which sensors there are and how fast they were sampled, and whether people differ in that.

    Parameters
    ----------
    infos
        Of a file of each participant.
    """
    if not infos:
        return
    passed = {f"{info['highpass']:g} to {info['lowpass']:g} Hz" for info in infos.values()}
    yield Finding("filtered", some(sorted(passed)))
    for what, trait in (("sensors", _sensors), ("sampling rate", _rate)):
        traits = {name: trait(info) for name, info in infos.items()}
        counted = Counter(traits.values())
        yield Finding(what, "; ".join(f"{kind} ({count} participants)" for kind, count in counted.most_common()))
        if len(counted) > 1:
            rarest = min(traits, key=lambda name: counted[traits[name]])
            yield Problem(
                WHERE,
                f"participants differ in {what}: {rarest} has {traits[rarest]}, unlike most others",
                "check that this is meant: RDMs of different recordings can differ in how reliable they are",
                fatal=False,
            )


def _rate(info: mne.Info) -> str:
    return f"{info['sfreq']:g} Hz"


def _sensors(info: mne.Info) -> str:
    """Count channels by type, such as ``mag 102, grad 204, eog 2``."""
    counted = Counter(mne.channel_type(info, index) for index in range(len(info["ch_names"])))
    return ", ".join(f"{kind} {count}" for kind, count in counted.items())


def judge_rates(infos: dict[str, mne.Info], study: Study) -> Iterator[Problem]:
    """Find recordings that are sampled too slowly, or filtered more than is wanted."""
    if not infos:
        return
    wanted, low_pass = 1000 / study.grid.step_ms, study.preprocessing.low_pass_hz
    slow = {name: info["sfreq"] for name, info in infos.items() if info["sfreq"] < wanted * (1 - 1e-5)}
    if slow:
        rate = min(slow.values())
        yield Problem(
            "grid.step_ms",
            f"recordings of {some(list(slow))} have {rate:g} samples a second, samples every {study.grid.step_ms:g} "
            f"ms need {wanted:g}",
            f"set grid.step_ms to {1000 / rate:g} or more",
        )
    blunt = {name: info["lowpass"] for name, info in infos.items() if 0 < info["lowpass"] < low_pass}
    if blunt:
        yield Problem(
            "preprocessing.low_pass_hz",
            f"{low_pass:g} Hz, but recordings of {some(list(blunt))} were filtered at {min(blunt.values()):g} Hz: "
            "there is nothing above",
            f"set it to {min(blunt.values()):g} or less, so that methods say what was done",
            fatal=False,
        )


def judge_line(sidecars: Sequence[dict[str, Any]], settings: Preprocessing) -> Iterator[Found]:
    """Compare the line frequency with that which the data set states."""
    stated = sorted(
        {float(one["PowerLineFrequency"]) for one in sidecars if _is_number(one.get("PowerLineFrequency"))}
    )
    software = sorted(
        {json.dumps(one["SoftwareFilters"]) for one in sidecars if _is_told(one.get("SoftwareFilters"))}
    )
    if stated:
        yield Finding("line frequency", ", ".join(f"{value:g} Hz" for value in stated))
    if software:
        yield Finding("software filters", some(software, 1))
    if settings.line_hz is not None and stated and set(stated) != {settings.line_hz}:
        yield Problem(
            "preprocessing.line_hz",
            f"{settings.line_hz:g} Hz, but the data set states {', '.join(f'{value:g}' for value in stated)} Hz",
            "set it to what the mains are where it was recorded",
            fatal=False,
        )


def _is_told(value: Any) -> bool:
    return value not in (None, "n/a", "", {})


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
