"""A whole study, looked at topic by topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cliphba.check import (
    backbone,
    downloads,
    epochs_files,
    judgements,
    pictures,
    plan,
    rdm_files,
    recordings,
    statistics,
    trials,
)
from cliphba.check.findings import Chapter
from cliphba.check.plan import Machine
from cliphba.check.report import Report
from cliphba.check.settings import read_study
from cliphba.collect.judgements import Told
from cliphba.config import Study, changed
from cliphba.sources import (
    BIDSRecordings,
    Data,
    EpochsRecordings,
    EvaluationSet,
    RDMFile,
    RDMRecordings,
    path_of,
)


def check(settings: Mapping[str, Any], results: Path, machine: Machine) -> Report:
    """Look at everything that a study needs.

    Parameters
    ----------
    settings
        As read from its files.
    results
        Folder that results of studies stand in.
    machine
        That the study is to be run on.

    Returns
    -------
    Report
        All findings and problems.
    """
    study, problems = read_study(settings)
    chapters = [Chapter("settings", list(problems))]
    if study is None:
        chapters[0].tell("not looked at", "anything else, which can be done once these settings are right")
        return Report(str(settings.get("name") or ""), chapters)
    chapters.append(_describe(study))
    if study.data is None:
        chapters.append(_look_at_simulation(study))
    else:
        study, looked_at = _look_at_data(study, study.data)
        chapters += looked_at
    chapters.append(Chapter("statistics", list(statistics.judge(study))))
    if study.data is not None and not study.backbone.given:
        return Report(study.name, chapters)
    chapters.append(Chapter("backbone", list(backbone.survey(study))))
    planned = plan.on_machine(study, machine)
    chapters.append(Chapter("what it takes", list(plan.judge(planned, machine, results / study.name))))
    return Report(study.name, chapters, plan.table(planned, machine))


def _describe(study: Study) -> Chapter:
    chapter = Chapter("study")
    people = study.participants
    chapter.tell("participants", f"{len(people)}: {', '.join(people)}")
    if study.held_out_participants:
        chapter.tell("not in the group", ", ".join(study.held_out_participants))
    grid = study.grid
    chapter.tell("times", f"{len(grid.times_ms)} from {grid.start_ms:g} to {grid.stop_ms:g} ms")
    return chapter


def _look_at_simulation(study: Study) -> Chapter:
    chapter, images = Chapter("data"), study.images
    chapter.tell("pictures", "simulated: " + ", ".join(f"{count} {name}" for name, count in images._asdict().items()))
    chapter.tell("recordings", f"simulated: {len(study.sessions)} sessions, {study.simulated.sensors} sensors")
    for name, one in study.external_sets.items():
        chapter.tell("external set", f"{name}, simulated: {len(one.participants)} participants")
    return chapter


def _look_at_data(study: Study, data: Data) -> tuple[Study, list[Chapter]]:
    """Look at the data of a real study; give it back with the size that its recordings were found to have."""
    away = downloads.pending(study)
    fetched = Chapter("downloads", list(downloads.survey(study)))
    shown, said, measured = Chapter("pictures"), Chapter("judgements"), Chapter("recordings")
    told = None
    if not _await(said, away, *judgements.files_of(study)):
        told = judgements.read(said, study)
    stimuli = None
    if not _await(shown, away, path_of(data.stimuli.images), *_table(data.stimuli.table)):
        stimuli = pictures.survey(shown, data.stimuli, told or Told(), seed=study.seed_of("collect_stimuli"))
    judgements.survey(said, study, told, stimuli)
    found = _look_at_recordings(measured, study, data, away, stimuli)
    sets = [_look_at_set(one, away) for one in study.evaluation_sets]
    return found, [fetched, shown, said, measured, *sets]


def _look_at_recordings(
    chapter: Chapter, study: Study, data: Data, away: list[Path], stimuli: pd.DataFrame | None
) -> Study:
    settings = data.recordings
    if isinstance(settings, RDMRecordings):
        _look_at_rdms(chapter, settings, "data.recordings", study.participants, away, stimuli)
        return study
    expected = [name for name in study.participants if not downloads.unfetched(study, name)]
    if isinstance(settings, BIDSRecordings):
        needed = [path_of(settings.root)]
    else:
        needed = [path_of(path) for name in expected for path in settings.paths(name)]
    if not expected or _await(chapter, away, *needed, *_table(settings.events.names)):
        return study
    if isinstance(settings, EpochsRecordings):
        known = [] if stimuli is None else list(stimuli["stimulus"])
        surveyed = epochs_files.survey(chapter, settings, study, expected, known)
    else:
        surveyed = recordings.survey(chapter, settings, study, expected)
    if stimuli is not None and len(surveyed.trials):
        chapter.found += trials.judge(surveyed.trials, stimuli, study)
    return _resized(chapter, study, settings, surveyed)


def _resized(
    chapter: Chapter, study: Study, settings: BIDSRecordings | EpochsRecordings, surveyed: recordings.Surveyed
) -> Study:
    """Plan with the size that recordings have, and tell if the settings say another one."""
    found = surveyed.size(settings)
    if found is None:
        return study
    chapter.found += plan.judge_size(settings.size, found)
    return changed(study, {"data": {"recordings": {"size": found.model_dump()}}})


def _look_at_set(settings: EvaluationSet, away: list[Path]) -> Chapter:
    chapter = Chapter(f"evaluation set {settings.name}")
    where, stimuli = f"evaluation_sets.{settings.name}", None
    if not _await(chapter, away, path_of(settings.images), *_table(settings.table)):
        stimuli = pictures.survey_set(chapter, settings, where)
    _look_at_rdms(chapter, settings.rdms, f"{where}.rdms", settings.participants, away, stimuli)
    return chapter


def _look_at_rdms(
    chapter: Chapter,
    settings: RDMFile,
    where: str,
    participants: Sequence[str],
    away: list[Path],
    stimuli: pd.DataFrame | None,
) -> None:
    files = [Path(settings.path(participant)) for participant in participants]
    if not _await(chapter, away, *dict.fromkeys(files), *map(Path, settings.order_files)):
        rdm_files.survey(chapter, settings, where, participants=participants, stimuli=stimuli)


def _table(name: str | None) -> list[Path]:
    return [] if name is None else [path_of(name)]


def _await(chapter: Chapter, away: list[Path], *wanted: Path) -> bool:
    """Tell what can only be looked at once it has been downloaded."""
    missing = [path for path in wanted if not path.exists() and downloads.awaited(away, path)]
    if missing:
        chapter.tell("not there yet", f"{', '.join(map(str, missing))}: run this again after the downloads")
    return bool(missing)
