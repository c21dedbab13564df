"""What is still to be downloaded, and what only people can fetch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cliphba import resources
from cliphba.check.findings import Finding, Found, Problem
from cliphba.check.room import amount, room_mb
from cliphba.config import Study
from cliphba.sources import Download, EpochsRecordings, OpenNeuro, path_of


def pending(study: Study) -> list[Path]:
    """Places of a study that nothing stands at yet but what a download will bring."""
    return [path_of(entry.to) for entry in study.downloads if not _is_there(entry) and _can_be_had(entry)]


def awaited(places: list[Path], wanted: Path) -> bool:
    """Whether something will be there after downloads: in it, it itself, or in what it is part of."""
    return any(place == wanted or place in wanted.parents or wanted in place.parents for place in places)


def survey(study: Study) -> Iterator[Found]:
    """Tell what is there, what will be downloaded, and what is missing for that."""
    for entry in study.downloads:
        if _is_there(entry):
            yield Finding("there", entry.to)
        elif _can_be_had(entry):
            yield Finding("to be downloaded", f"{entry.to} from {entry.url or entry.archive}")
            yield from _judge_password(entry)
        else:
            yield Problem("downloads", f"{entry.to} is not there and has no address", entry.by_hand)
    recordings = openneuro(study)
    if recordings is not None:
        yield from _survey_openneuro(study, recordings)


def _survey_openneuro(study: Study, settings: OpenNeuro) -> Iterator[Found]:
    records = [record for name in study.participants for record in _records(study, settings, name)]
    fetched = sum(record.is_file() for record in records)
    left_mb = recordings_mb(study) * (1 - fetched / len(records))
    rest = f"the others (about {amount(left_mb)}) will be downloaded" if fetched < len(records) else "that is all"
    yield Finding(
        "OpenNeuro",
        f"{settings.dataset} {settings.version} to {settings.to}: {fetched} of {len(records)} "
        f"{'sessions' if settings.by_session else 'participants'} are there, {rest}",
    )
    free_mb = room_mb(path_of(settings.to))
    if left_mb > free_mb:
        yield Problem(
            "data.recordings.openneuro.to",
            f"recordings to be downloaded take about {amount(left_mb)}, but {amount(free_mb)} are free at "
            f"{settings.to}",
            "make room, let the folder be a link to a larger disk, or take fewer participants",
        )


def recordings_mb(study: Study) -> float:
    """About how large everybody's recordings are, or their epochs, by what `data.recordings.size` says."""
    epochs = isinstance(study.recordings, EpochsRecordings)
    of_recording = resources.epochs_mb(study) if epochs else resources.raw_mb(study)
    # samples are in single precision, as far as they are known
    return resources.recordings(study) * len(study.participants) * of_recording / 2


def unfetched(study: Study, participant: str) -> bool:
    """Whether recordings of a participant are still to be downloaded."""
    settings = openneuro(study)
    return settings is not None and not all(record.is_file() for record in _records(study, settings, participant))


def openneuro(study: Study) -> OpenNeuro | None:
    """Where recordings are downloaded from, if they are."""
    return None if study.recordings is None else study.recordings.openneuro


def _records(study: Study, settings: OpenNeuro, participant: str) -> list[Path]:
    return settings.records(participant, study.recordings.sessions if study.recordings else [])


def _is_there(entry: Download) -> bool:
    return path_of(entry.to).exists()


def _can_be_had(entry: Download) -> bool:
    return entry.url is not None or (entry.members is not None and entry.archive.exists())


def _judge_password(entry: Download) -> Iterator[Problem]:
    if entry.password_variable and not os.environ.get(entry.password_variable):
        yield Problem(
            "downloads",
            f"{entry.to} needs the password of its archive, and the environment variable {entry.password_variable} "
            "is not set",
            f"export {entry.password_variable}=... before snakemake is started; {entry.by_hand}".rstrip("; "),
        )
