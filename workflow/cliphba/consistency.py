"""Settings of a study that are each right, but do not go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cliphba.sources import BIDSRecordings, RDMFile, RDMRecordings

if TYPE_CHECKING:
    from cliphba.config import DynamicTraining, Study


def faults(study: Study) -> Iterator[str]:
    """Find everything that does not go together: the setting, and what to do."""
    yield from _of_people(study)
    yield from _of_downloads(study)
    yield from _of_sets(study)
    yield from _of_parts(study)
    yield from _of_amounts(study)
    yield from _of_times(study)
    yield from _of_preprocessing(study)
    if study.data is not None and not study.backbone.given:
        yield (
            "backbone: a real study needs a pretrained CLIP; name its architecture and weights, such as "
            "ViT-L-14-quickgelu and openai, or the folder of another study's backbone"
        )


def _of_people(study: Study) -> Iterator[str]:
    if len(set(study.participants)) < len(study.participants):
        yield "participants: every name may stand there once only"
    strangers = set(study.held_out_participants) - set(study.participants)
    if strangers:
        yield f"held_out_participants: {min(strangers)} does not stand in participants"
    if len(study.group_participants) < 2:
        yield (
            f"held_out_participants: leaves {len(study.group_participants)} participants for the group model, "
            "which needs two or more; hold out fewer"
        )


def _of_downloads(study: Study) -> Iterator[str]:
    counts = Counter(entry.to for entry in study.downloads)
    yield from (f"downloads: two of them become {to}; name another" for to, count in counts.items() if count > 1)


def _of_sets(study: Study) -> Iterator[str]:
    key, given = "evaluation_sets", len(study.evaluation_sets)
    if study.simulation is not None:
        key, given = "simulation.external_sets", len(study.simulation.external_sets)
        if study.evaluation_sets:
            yield "evaluation_sets: a simulated study draws sets of its own, simulation.external_sets"
    sets = study.external_sets
    if len(sets) < given:
        yield f"{key}: every name may stand there once only"
    people = Counter([*set(study.participants), *(name for one in sets.values() for name in one.participants)])
    twice = [name for name, count in people.items() if count > 1]
    if twice:
        yield (
            f"{key}: {twice[0]} stands twice among the participants of the study and of its "
            "external sets; give everybody a name of their own"
        )


def _of_parts(study: Study) -> Iterator[str]:
    """Find halves that cannot be cross-validated, and positions that do not fit."""
    files = {f"evaluation_sets.{one.name}.rdms": (one.rdms, one.participants) for one in study.evaluation_sets}
    if study.data is not None and isinstance(study.data.recordings, RDMRecordings):
        files["data.recordings"] = (study.data.recordings, study.participants)
    for name, (file, participants) in files.items():
        if file.positions is not None and len(file.positions) != len(participants):
            yield f"{name}.positions: there are {len(participants)} participants; give one for each"
    if study.has_halves and study.decoding.folds == "session" and len(study.halves["test"]) < 2:
        yield (
            f"decoding.folds: of {len(study.sessions)} {study.halves_of} the half that tests has one alone, which "
            "cannot be left out; set folds to a number of folds over single trials, such as 5"
        )


def _of_amounts(study: Study) -> Iterator[str]:
    """Find more images than there are, and faulty numbers of sessions."""
    images = study.images.training
    if study.saliency.images > study.images.test:
        yield f"saliency.images: must be at most {study.images.test}, all test images"
    for level in ("group", "individual"):
        training: DynamicTraining = getattr(study, f"{level}_training")
        if training.images is not None and training.images > images:
            yield f"{level}_training.images: must be at most {images}, all training images with MEG"
        if training.sessions is not None:
            yield from _of_sessions(study, f"{level}_training.sessions", training.sessions)


def _of_sessions(study: Study, key: str, given: int) -> Iterator[str]:
    """Find more sessions than there are, or too few to be cross-validated."""
    if not study.has_halves:
        yield f"{key}: published RDMs are of all sessions; leave it out"
        return
    least, most = 2 if study.decoding.folds == "session" else 1, len(study.halves["train"])
    if not least <= given <= most:
        yield (
            f"{key}: must be from {least} to {most}, those of the training half; "
            "where a session is a fold (decoding.folds), one alone cannot be cross-validated"
        )


def _of_times(study: Study) -> Iterator[str]:
    """Find a grid that recordings cannot be decimated to, or that published RDMs do not have."""
    published: dict[str, RDMFile] = {}
    if study.data is not None and isinstance(study.data.recordings, RDMRecordings):
        published["data.recordings"] = study.data.recordings
    sets = {f"evaluation_sets.{one.name}.rdms": one.rdms for one in study.evaluation_sets}
    for name, file in {**published, **sets}.items():
        wanted, known = [round(time, 6) for time in study.grid.times_ms], file.times_ms
        if name in published and (missing := set(wanted) - set(known)):
            yield (
                f"grid: {name} has no RDM at {min(missing):g} ms; its times are {known[0]:g} to {known[-1]:g} ms "
                f"in steps of {known[1] - known[0]:g}"
            )
        elif not set(known) & {time for time in wanted if time > 0}:
            yield f"{name}: no time of it after onset is one of the grid; check start_ms and step_ms"
    # what others preprocessed is not filtered; MNE's filter falls off over a quarter of its edge, at least 2 Hz
    raw = study.data is None or isinstance(study.recordings, BIDSRecordings)
    low_pass, nyquist = study.preprocessing.low_pass_hz, 500 / study.grid.step_ms
    if raw and low_pass + max(2, low_pass / 4) > nyquist:
        yield (
            f"preprocessing.low_pass_hz: must be at most {min(nyquist - 2, nyquist / 1.25):g} Hz; samples every "
            f"{study.grid.step_ms:g} ms (grid.step_ms) carry {nyquist:g} Hz and the filter needs room to fall off"
        )


def _of_preprocessing(study: Study) -> Iterator[str]:
    """Find what the grid, the people or the kind of recordings do not have."""
    chosen, start_ms = study.preprocessing, study.grid.start_ms
    if chosen.baseline_ms and chosen.baseline_ms[0] < start_ms:
        yield f"preprocessing.baseline_ms: epochs begin at {start_ms:g} ms (grid.start_ms), not before"
    external = {name for one in study.external_sets.values() for name in one.participants}
    if nobody := set(chosen.bad_channels_of) - {*study.participants, *external}:
        yield f"preprocessing.bad_channels_of: {min(nobody)} does not stand in participants"
    datatype = "meg" if study.data is None else study.recordings and study.recordings.datatype
    if datatype == "meg" and chosen.reference is not None:
        yield "preprocessing.reference: MEG has none; leave it out"
    if datatype == "eeg" and chosen.gradient_compensation is not None:
        yield "preprocessing.gradient_compensation: EEG has none; leave it out"
