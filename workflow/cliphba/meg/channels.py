"""Which channels become patterns: the good ones, alike in all recordings of a participant."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from itertools import chain
from typing import Literal, TypeAlias

import mne
import numpy as np

logger = logging.getLogger(__name__)

Datatype = Literal["meg", "eeg"]
Recorded: TypeAlias = mne.io.BaseRaw | mne.BaseEpochs


def mark_bad(raws: Sequence[mne.io.BaseRaw], names: Sequence[str]) -> None:
    """Mark channels as bad in all recordings of a participant, in place, besides those that already are.

    Raises
    ------
    ValueError
        If no recording has such a channel.
    """
    known = list(dict.fromkeys(name for raw in raws for name in raw.ch_names))
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known) or known[:5]
            raise ValueError(
                f"preprocessing.bad_channels: there is no channel {name}, but {', '.join(close)}; correct it there "
                "or in bad_channels_of, where channels belong that only some people have."
            )
    for raw in raws:
        raw.info["bads"] = list(dict.fromkeys([*raw.info["bads"], *(name for name in names if name in raw.ch_names)]))


def choose_channels(recordings: Sequence[Recorded], *, datatype: Datatype, interpolate: bool) -> list[str]:
    """Choose the channels that all recordings of a participant are to have.

    Patterns of different sessions are compared with each other, so that a channel that one of them lacks is of no use
    in the others. Interpolation keeps it; but what is bad everywhere is a mixture of other channels and nothing else,
    and is left out in any case.

    Parameters
    ----------
    recordings
        Raw ones or epochs, with their bad channels marked.
    datatype
        ``meg`` (magnetometers and gradiometers, no reference sensors) or ``eeg``.
    interpolate
        Whether channels that are bad in some recordings are to be interpolated there.

    Returns
    -------
    list of str
        In the order of the first recording.

    Raises
    ------
    ValueError
        If none is left.
    """
    recorded = [_of_type(one, datatype) for one in recordings]
    bad = [set(one.info["bads"]) for one in recordings]
    useless = set.intersection(*bad) if interpolate else set.union(*bad)
    shared = set.intersection(*map(set, recorded)) - useless
    if not shared:
        types = ", ".join(sorted(set(recordings[0].get_channel_types())))
        raise ValueError(
            f"no good {datatype.upper()} channel is in all recordings; the first one has channels of the types "
            f"{types}: check data.recordings.datatype and bad channels."
        )
    if lost := [name for name in dict.fromkeys(chain(*recorded)) if name not in shared]:
        logger.info("%d of %d channels are left out: %s.", len(lost), len(lost) + len(shared), ", ".join(lost))
    return [name for name in recorded[0] if name in shared]


def _of_type(recorded: Recorded, datatype: Datatype) -> list[str]:
    picks = mne.pick_types(recorded.info, meg=datatype == "meg", eeg=datatype == "eeg", ref_meg=False, exclude=[])
    return [recorded.ch_names[pick] for pick in picks]


def compensate(raw: mne.io.BaseRaw, grade: int) -> None:
    """Apply a grade of CTF's gradient compensation, in place.

    Raises
    ------
    ValueError
        If the recording does not say how.
    """
    if not raw.info["comps"]:
        raise ValueError(
            "preprocessing.gradient_compensation: this recording has no reference sensors to compensate with, as CTF "
            "systems have; set it to null."
        )
    raw.apply_gradient_compensation(grade, verbose="error")


def interpolate_bads(raw: mne.io.BaseRaw) -> None:
    """Replace bad channels by what their neighbours say of them, in place; they are not bad any more.

    Raises
    ------
    ValueError
        If channels have no positions.
    """
    if not raw.info["bads"]:
        return
    placed = [channel for channel in raw.info["chs"] if _has_position(channel["loc"][:3])]
    if len(placed) < len(raw.ch_names):
        raise ValueError(
            "preprocessing.interpolate_bad_channels: channels have no positions, so that nobody knows their "
            "neighbours; set it to false."
        )
    raw.interpolate_bads(reset_bads=True, verbose="error")


def _has_position(place: np.ndarray) -> bool:
    return bool(np.isfinite(place).all() and place.any())


def refer(raw: mne.io.BaseRaw, reference: Sequence[str] | Literal["average"]) -> None:
    """Refer EEG to the mean of all electrodes, or of some, in place.

    Raises
    ------
    ValueError
        If there is no EEG, or a reference electrode is not among the good channels.
    """
    good = _of_type(raw, "eeg")
    wanted = [] if reference == "average" else list(reference)
    missing = [name for name in wanted if name not in good]
    if missing or not good:
        what = f"there is no good electrode {missing[0]}" if missing else "there is no EEG"
        raise ValueError(f"preprocessing.reference: {what}; choose among those that are left, or set it to null.")
    raw.set_eeg_reference(wanted or "average", ch_type="eeg", projection=False, verbose="error")
