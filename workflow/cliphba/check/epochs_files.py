"""Epochs with a table of trials: whether everybody's are there, and hold what the import will ask of them."""

from __future__ import annotations

from collections.abc import Sequence

import mne
import numpy as np
import pandas as pd

from cliphba.check.findings import Chapter
from cliphba.check.recordings import Surveyed, tell_halves
from cliphba.check.sensors import describe
from cliphba.collect.epochs import check_times, list_trials, open_epochs
from cliphba.config import Study
from cliphba.meg.channels import choose_channels
from cliphba.sources import EpochsRecordings, path_of
from cliphba.tables import read_names

WHERE = "data.recordings"


def survey(
    chapter: Chapter,
    settings: EpochsRecordings,
    study: Study,
    participants: Sequence[str],
    stimuli: Sequence[str],
) -> Surveyed:
    """Look at the epochs of a study.

    Parameters
    ----------
    chapter
        Gets what is found.
    settings
        Where they are.
    study
        Whose parts and grid are meant.
    participants
        Those whose files should be there.
    stimuli
        Of the study; empty if they are not known.

    Returns
    -------
    Surveyed
        Trials of the stimuli, of participants whose files are all right.
    """
    infos: dict[str, mne.Info] = {}
    trials = [_read(chapter, settings, study, participant, stimuli, infos) for participant in participants]
    if infos:
        chapter.tell("found", f"epochs of {len(infos)} of {len(study.participants)} participants")
        tell_halves(chapter, study)
    chapter.found += describe(infos)
    return Surveyed(pd.concat(trials, ignore_index=True), infos)


def _read(
    chapter: Chapter,
    settings: EpochsRecordings,
    study: Study,
    participant: str,
    stimuli: Sequence[str],
    infos: dict[str, mne.Info],
) -> pd.DataFrame:
    """Look into the files of a participant; none of the trials if anything is wrong with them."""
    opened: list[mne.BaseEpochs] = []
    paths = settings.paths(participant)
    for path in paths:
        with chapter.reporting(f"{WHERE}.files"):
            opened.append(open_epochs(path_of(path)))
    problems = len(chapter.problems)
    for epochs in opened:
        infos.setdefault(participant, epochs.info)
        with chapter.reporting("grid"):
            check_times(np.asarray(epochs.times), float(epochs.info["lowpass"]), study.grid)
    if len(opened) == len(paths):
        with chapter.reporting(WHERE):
            choose_channels(opened, datatype=settings.datatype, interpolate=False)
        with chapter.reporting(f"{WHERE} ({participant})"):
            numbered = None if settings.events.names is None else read_names(path_of(settings.events.names))
            trials = list_trials([epochs.metadata for epochs in opened], settings, stimuli, numbered)
            if len(chapter.problems) == problems:
                return trials[["stimulus"]].assign(participant=participant, part=trials["session"])
    return pd.DataFrame(columns=["stimulus", "participant", "part"])
