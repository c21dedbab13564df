"""Raw recordings in BIDS, as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np
import pandas as pd

from cliphba.check import sensors
from cliphba.check.bids_files import WHERE, Recorded, find, read
from cliphba.check.findings import Chapter
from cliphba.check.onsets import judge_onsets
from cliphba.check.room import amount
from cliphba.config import Study
from cliphba.listing import some
from cliphba.meg.divide import take_turns
from cliphba.sources import BIDSRecordings, EpochsRecordings, Size, path_of


class Surveyed(NamedTuple):
    """What is known of recordings.

    Attributes
    ----------
    trials
        ``participant``, ``part`` and ``stimulus`` of each trial.
    infos
        What the first file of each participant says of its sensors.
    """

    trials: pd.DataFrame
    infos: dict[str, mne.Info]

    def size(self, settings: BIDSRecordings | EpochsRecordings) -> Size | None:
        """Say how large the largest recordings are; None if there is none."""
        if not self.infos or self.trials.empty:
            return None
        kinds = {"meg": settings.datatype == "meg", "eeg": settings.datatype == "eeg", "ref_meg": False}
        # parts that trials are dealt out to are all of one recording
        recording = ["participant"] if settings.halves_of == "trials" else ["participant", "part"]
        return Size(
            sensors=max(1, *(len(mne.pick_types(info, **kinds)) for info in self.infos.values())),
            sampling_rate_hz=max(float(info["sfreq"]) for info in self.infos.values()),
            trials=int(self.trials.groupby(recording).size().max()),
        )


def survey(chapter: Chapter, settings: BIDSRecordings, study: Study, participants: Sequence[str]) -> Surveyed:
    """Look at the recordings of a study.

    Parameters
    ----------
    chapter
        Gets what is found.
    settings
        Where they are.
    study
        What halves are made of, and what preprocessing is to do.
    participants
        Those whose recordings should be there.

    Returns
    -------
    Surveyed
        Trials of participants whose recordings are all right.
    """
    if not path_of(settings.root).is_dir():
        chapter.refuse(f"{WHERE}.root", f"there is no folder {settings.root}", "name the folder of the BIDS data set")
        return Surveyed(parts([], settings), {})
    everything: list[Recorded] = []
    right: list[Recorded] = []
    for participant in participants:
        problems = len(chapter.problems)
        recorded = [read(chapter, path, participant, settings) for path in find(chapter, settings, participant)]
        everything += recorded
        right += recorded if len(chapter.problems) == problems else []
    tell_amount(chapter, everything, study)
    opened = sensors.open_first(chapter, settings, everything)
    sensors.survey(chapter, settings, study, opened)
    chapter.found += sensors.judge_line([one.sidecar for one in everything], study.preprocessing)
    seconds = {one.path: one.seconds for one in everything} | {one.recorded.path: one.seconds for one in opened}
    chapter.found += judge_onsets(everything, seconds, study.grid)
    return Surveyed(parts(right, settings), {one.recorded.participant: one.raw.info for one in opened})


def tell_amount(chapter: Chapter, recorded: Sequence[Recorded], study: Study) -> None:
    """Tell how many recordings there are, and what halves are made of."""
    if not recorded:
        return
    people = Counter(one.participant for one in recorded)
    chapter.tell("found", f"{len(recorded)} recordings of {len(people)} of {len(study.participants)} participants")
    tell_halves(chapter, study)
    hours = np.nansum([one.seconds for one in recorded]) / 3600
    if hours:
        chapter.tell("duration", f"{hours:.1f} hours in all")
    megabytes = sum(_bytes(one.path) for one in recorded) / 1e6
    chapter.tell("size", amount(megabytes))


def tell_halves(chapter: Chapter, study: Study) -> None:
    """Tell what the halves of the data are made of."""
    for half, members in study.halves.items():
        parts = str(study.halves_of)
        unit = parts if len(members) > 1 else parts.removesuffix("s")
        chapter.tell(f"half {half!r}", f"{len(members)} {unit}: {some(members, 12)}")


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def parts(recorded: Sequence[Recorded], settings: BIDSRecordings) -> pd.DataFrame:
    """Say to which part each trial belongs: those of a single run are dealt out, as they will be."""
    tables = [
        one.trials.assign(
            participant=one.participant, part=one.session if settings.halves_of == "sessions" else one.run
        )
        for one in recorded
        if one.trials is not None
    ]
    if not tables:
        return pd.DataFrame(columns=["participant", "part", "stimulus"])
    together = pd.concat(tables, ignore_index=True)
    if settings.halves_of == "trials":
        shown = together["participant"] + "/" + together["stimulus"]
        together["part"] = np.array(settings.parts)[take_turns(shown, len(settings.parts))]
    return together[["participant", "part", "stimulus"]]
