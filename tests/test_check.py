"""`cliphba check`: a small study is right; each of many things that can be wrong is told with its remedy."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import mne
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from safetensors.numpy import save_file

from cliphba import cli, studies
from cliphba.check import plan, statistics
from cliphba.check.findings import Finding
from cliphba.check.plan import Machine
from cliphba.check.report import Report
from cliphba.check.study import check
from cliphba.config import changed
from cliphba.section import overlay
from tests import checked_study
from tests.checked_study import CHANNELS, PEOPLE, SESSIONS, STIMULI, save_raw, settings
from tests.conftest import ROOT

Settings = dict[str, Any]
# What the small study is too small for.
MACHINE = Machine(processors=2, memory_mb=64_000, gpus=(), free_mb=100_000)
STANDING = {"data.stimuli.test_images", "participants"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the small study, which nobody may change."""
    folder = tmp_path_factory.mktemp("check")
    checked_study.write(folder)
    return folder


@pytest.fixture
def files(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the small study, to be spoilt; paths begin there."""
    shutil.copytree(template, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path / "study"


def look(changes: Settings | None = None) -> Report:
    return check(merge(settings(), changes or {}), Path("results"), MACHINE)


def merge(given: Settings, changes: Settings) -> Settings:
    """Change settings; recordings and judgements of another kind take the place of those given."""
    merged = overlay(given, changes)
    for name, section in changes.get("data", {}).items():
        if "kind" in section:
            merged["data"][name] = section
    return merged


def findings(report: Report) -> dict[str, str]:
    return {
        f"{chapter.title}: {one.what}": one.value
        for chapter in report.chapters
        for one in chapter.found
        if isinstance(one, Finding)
    }


def stem(participant: str = "sub-02", session: str = "03") -> str:
    """Path of a recording's files, but for what they are."""
    return f"bids/{participant}/ses-{session}/meg/{participant}_ses-{session}_task-pictures"


def stems() -> list[str]:
    return [stem(participant, session) for participant in PEOPLE for session in SESSIONS]


def edit_events(path: str, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a table of events."""
    table = pd.read_csv(f"{path}_events.tsv", sep="\t")
    edit(table).to_csv(f"{path}_events.tsv", sep="\t", index=False, na_rep="n/a")


def edit_all_events(edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    for path in stems():
        edit_events(path, edit)


def edit_table(path: str, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    edit(pd.read_csv(path, sep="\t")).to_csv(path, sep="\t", index=False)


RDMS = {"kind": "rdms", "file": "rdms.npy", "format": "numpy", "start_ms": -100, "step_ms": 10, "samples": 61}


# ---- a study that is right


def test_a_study_that_is_right_has_no_problem(files: Path) -> None:
    report = look()
    assert {one.where for one in report.problems} == STANDING
    assert not report.fatal
    told = findings(report)
    assert told["study: participants"] == "3: sub-01, sub-02, sub-03"
    assert told["pictures: found"] == "12 in images"
    assert told["pictures: size"] == "shorter side 30 to 31, median 31 pixels; 6 are 30 x 40"
    # grey pictures and such with an alpha channel are no problem
    assert told["pictures: colours"] == "RGB 3, L 3, RGBA 3, P 3"
    assert told["pictures: split"] == "train 4, validation 4, test 4 (in_order)"
    assert told["judgements: covered"] == "12 of 12 pictures"
    assert told["judgements: judgements of test images"] == "4 triplets; 4 of 4 test images are named"
    assert told["recordings: found"] == "12 recordings of 3 of 3 participants"
    assert told["recordings: half 'train'"] == "2 sessions: ses-01, ses-03"
    assert told["recordings: sensors"] == "mag 3, eog 1, ecg 1 (3 participants)"
    assert told["recordings: sampling rate"] == "250 Hz (3 participants)"
    assert told["recordings: line frequency"] == "50 Hz"
    assert told["recordings: trials"] == "96 a participant"
    assert told["recordings: of test images"] == "8 trials each"
    assert told["backbone: model"] == "ViT-B-32-quickgelu: 12 blocks, 148 million parameters"


def test_nothing_is_written(files: Path) -> None:
    before = sorted(files.rglob("*"))
    look()
    assert sorted(files.rglob("*")) == before


# ---- one thing wrong


class Case(NamedTuple):
    """Something that is spoilt, and what must be said of it.

    Attributes
    ----------
    spoil
        Changes files, or gives changes of settings.
    where, said
        Setting or file that is named, and parts of what is said of it and of the remedy.
    fatal
        Whether the study cannot be run then.
    """

    spoil: Callable[[], Settings | None]
    where: str
    said: tuple[str, ...]
    fatal: bool = True


def stimuli(**changes: Any) -> Settings:
    return {"data": {"stimuli": changes}}


def recordings(**changes: Any) -> Settings:
    return {"data": {"recordings": changes}}


def events(**changes: Any) -> Settings:
    return recordings(events=changes)


def behavior(**changes: Any) -> Settings:
    return {"data": {"behavior": changes}}


def truncate(path: str) -> None:
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])


PICTURES = {
    "missing folder": Case(
        lambda: stimuli(images="nowhere"),
        "data.stimuli.images", ("there is no folder", "nowhere", "name the folder of the pictures"),
    ),
    "no image in it": Case(
        lambda: stimuli(images="bids"), "data.stimuli.images", ("there is no image in this folder",)
    ),
    "wrong count": Case(
        lambda: stimuli(training_images=5),
        "data.stimuli", ("there are 12 pictures", "training_images 5", "make 13", "correct these numbers"),
    ),
    "two of one name": Case(
        lambda: Image.new("RGB", (8, 8)).save("images/picture01.png"),
        "data.stimuli.images", ("'picture01' has two files", "rename or remove one of them"),
    ),
    "no image at all": Case(
        lambda: Path("images/picture02.jpg").write_text("text") and None,
        "data.stimuli.images", ("1 of 12 pictures cannot be opened", "picture02.jpg", "copy or download them again"),
    ),
    "truncated JPEG": Case(
        lambda: truncate("images/picture01.jpg"),
        "data.stimuli.images", ("1 of 12 pictures cannot be opened, or only in part", "picture01.jpg"),
    ),
    "truncated PNG": Case(
        lambda: truncate("images/picture03.png"),
        "data.stimuli.images", ("1 of 12 pictures cannot be opened, or only in part", "picture03.png"),
    ),
    "table without a column": Case(
        lambda: stimuli(table="triplets.tsv"),
        "data.stimuli.table", ("has no column 'stimulus', only first, second, odd",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PICTURES.values(), ids=PICTURES)
def test_pictures(case: Case, files: Path) -> None:
    tell(case)


def tell(case: Case) -> None:
    """Spoil a study, and find the one problem that this is."""
    report = look(case.spoil())
    named = [one for one in report.problems if one.where == case.where and one.fatal == case.fatal]
    said = [f"{one.what}; {one.remedy}" for one in named]
    assert any(all(part in text for part in case.said) for text in said), report.text()
    assert report.fatal == case.fatal
    everybody = {
        re.sub(r"sub-0.", "sub-0?", where) for where in (case.where, *(one.where for one in report.problems))
    }
    assert len(everybody - STANDING - {re.sub(r"sub-0.", "sub-0?", case.where)}) == 0, report.text()


def number_stimuli(table: pd.DataFrame) -> pd.DataFrame:
    """Add a column of numbers as they are written beside empty cells."""
    numbers = table["stimulus"].str.extract(r"([0-9]+)$", expand=False).astype(float)
    return table.assign(number=numbers)


def drop_trials(*names: str, sessions: tuple[str, ...] = tuple(SESSIONS)) -> Callable[[], None]:
    """Take away trials of some pictures in some sessions of everybody."""

    def spoil() -> None:
        for path in (stem(participant, session) for participant in PEOPLE for session in sessions):
            edit_events(path, lambda table: table[~table["stimulus"].isin(names)])

    return spoil


def repeat_trials() -> None:
    """Show the second picture as the first."""
    edit_all_events(lambda table: table.assign(stimulus=table["stimulus"].where(table.index != 13, STIMULI[0])))


def show_unknown() -> None:
    edit_all_events(lambda table: pd.concat([table, table.tail(1).assign(onset=20.6, stimulus="stranger")]))


def set_onset(value: float | None, row: int = 5, session: str = "03") -> Callable[[], None]:
    return lambda: edit_events(
        stem(session=session), lambda table: table.assign(onset=table["onset"].where(table.index != row, value))
    )


def state(**said: Any) -> Callable[[], None]:
    """Let the descriptions of all recordings say something else."""

    def spoil() -> None:
        for path in stems():
            described = json.loads(Path(f"{path}_meg.json").read_text())
            Path(f"{path}_meg.json").write_text(json.dumps(described | said))

    return spoil


def remove_recording() -> None:
    for path in Path(stem()).parent.iterdir():
        path.unlink()


def rename_columns() -> None:
    edit_all_events(lambda table: table.rename(columns={"stimulus": "image_path"}))


TRIALS = {
    "root missing": Case(
        lambda: recordings(root="nowhere"),
        "data.recordings.root", ("there is no folder", "nowhere", "name the folder of the BIDS data set"),
    ),
    "participant missing": Case(
        lambda: {"participants": ["sub-01", "sub-02", "sub-03", "sub-04"]},
        "participants", ("has no folder of sub-04; it has sub-01, sub-02, sub-03", "leave the participant out"),
    ),
    "session missing": Case(
        remove_recording,
        "data.recordings.sessions", ("sub-02 has no session 03; there are 01, 02, 04", "get the recording"),
    ),
    "session unknown": Case(
        lambda: recordings(sessions=["01", "02", "03", "05"]),
        "data.recordings.sessions", ("sub-01 has no session 05; there are 01, 02, 03, 04", "correct sessions"),
    ),
    "duration not told": Case(
        lambda: (state(RecordingDuration="n/a")(), {"preprocessing": {"line_hz": 60}})[1],
        "preprocessing.line_hz", ("60 Hz, but the data set states 50 Hz",), fatal=False,
    ),
    "run missing": Case(
        lambda: recordings(runs=["01"]),
        "data.recordings.runs", ("sub-01 has no run 01 in session 01; there are one without number", "correct runs"),
    ),
    "task unknown": Case(
        lambda: recordings(task="rest"),
        "data.recordings.task", ("sub-01 has no recording of the task rest; there are pictures", "name one of these"),
    ),
    "MEG taken for EEG": Case(
        lambda: recordings(datatype="eeg"),
        "data.recordings.datatype", ("sub-01 has no eeg recording, but 4 of meg", "datatype to meg"),
    ),
    "events missing": Case(
        lambda: Path(f"{stem()}_events.tsv").unlink(),
        "data.recordings.events", ("sub-02_ses-03_task-pictures_events.tsv is missing", "which stimulus was shown"),
    ),
    "column missing": Case(
        rename_columns,
        "data.recordings.events",
        ("lacks the column stimulus; it has onset, duration, trial_type, image_path", "Name the right one"),
    ),
    "where matches nothing": Case(
        lambda: events(where={"trial_type": ["main"]}),
        "data.recordings.events", ("no event has trial_type 'main'; it is 'exp'",),
    ),
    "pattern matches nothing": Case(
        lambda: events(pattern=r"([a-z]+)\.jpg$"),
        "data.recordings.events", ("matches no cell of stimulus, such as 'picture01'",),
    ),
    "no duration": Case(
        lambda: edit_events(stem(), lambda table: table.drop(columns="duration")),
        "data.recordings.events", ("ses-03_task-pictures_events.tsv has no column duration", "add it"),
    ),
    "no recording": Case(
        lambda: Path(f"{stem(session='01')}_meg.fif").write_text("text") and None,
        f"{stem(session='01')}_meg.fif", ("cannot be read", "get them again"),
    ),
    "recording cut off": Case(
        state(RecordingDuration=30),
        "bids/sub-01/ses-01/meg/sub-01_ses-01_task-pictures_meg.fif",
        ("lasts 21.2 s, but its description says 30.0 s", "get it again if it was cut off"),
        fatal=False,
    ),
    "stimulus without a picture": Case(
        show_unknown,
        "data.recordings.events", ("1 stimuli in the events have no picture: stranger", "add their pictures"),
        fatal=False,
    ),
    "no name in common": Case(
        lambda: events(pattern=r"([0-9]+)$"),
        "data.recordings.events", ("no stimulus of the events is one of the pictures: events have 01, 02", "pattern"),
    ),
    "numbers with decimals": Case(
        lambda: (edit_all_events(number_stimuli), events(stimulus="number", pattern=None))[1],
        "data.recordings.events", ("events have 1.0, 10.0", r"pattern: ^(\d+) takes what is before the point"),
    ),
    "picture never shown": Case(
        drop_trials("picture12"),
        "data.stimuli", ("1 of 12 pictures are never shown: picture12", "leave them out by a table"),
    ),
    "picture never in one half": Case(
        drop_trials("picture12", sessions=("02", "04")),
        "data.recordings.events",
        ("1 stimuli are shown to somebody in fewer than two parts of the half 'test'", "such as picture12 to sub-01"),
    ),
    "picture in one part of a half only": Case(
        drop_trials("picture12", sessions=("03",)),
        "data.recordings.events",
        ("in fewer than two parts of the half 'train' (ses-01, ses-03)", "cross-validated", "decoding.folds"),
    ),
    "unequal trials of training pictures": Case(
        repeat_trials,
        "data.recordings.events", ("from 4 to 12 trials of sub-01", "decoded better", "decoding.measure: euclidean"),
        fatal=False,
    ),
    "onset no number": Case(
        set_onset(None),
        "data.recordings.events.onset", ("1 trials have an onset that is no number and are lost", "ses-03"),
        fatal=False,
    ),
    "onset beyond the end": Case(
        set_onset(5000.0),
        "data.recordings.events.onset",
        ("1 trials begin after the end of the recording", "sub-02_ses-03_task-pictures_meg.fif", "in seconds"),
    ),
    "onset beyond the end, as only the recording tells": Case(
        lambda: (Path(f"{stem(session='01')}_meg.json").unlink(), set_onset(5000.0, session="01")())[0],
        "data.recordings.events.onset", ("1 trials begin after the end", "sub-02_ses-01_task-pictures_meg.fif"),
    ),
    "onset twice": Case(
        set_onset(1.0),
        "data.recordings.events.onset", ("1 trials have the same onset as another", "one row a picture"),
    ),
    "epoch before the beginning": Case(
        set_onset(0.05),
        "data.recordings.events.onset", ("1 trials begin so near an end", "are lost", "grid.start_ms"), fatal=False,
    ),
    "all onsets in milliseconds": Case(
        lambda: edit_all_events(lambda table: table.assign(onset=1000 * table["onset"])),
        "data.recordings.events.onset", ("288 trials begin after the end", "in 12 recordings", "in seconds"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TRIALS.values(), ids=TRIALS)
def test_recordings_and_their_trials(case: Case, files: Path) -> None:
    tell(case)


def record_again(*, participants: tuple[str, ...] = tuple(PEOPLE), **recording: Any) -> Callable[[], Settings | None]:
    """Record with other sensors or another rate."""

    def spoil() -> None:
        for path in (stem(name, session) for name in participants for session in SESSIONS):
            Path(f"{path}_channels.tsv").unlink()
            save_raw(Path(f"{path}_meg.fif"), **recording)

    return spoil


def filter_recordings() -> None:
    for path in stems():
        raw = mne.io.read_raw_fif(f"{path}_meg.fif", preload=True, verbose="error")
        raw.filter(None, 30, verbose="error").save(f"{path}_meg.fif", overwrite=True, verbose="error")


WITHOUT_EYES = {name: kind for name, kind in CHANNELS.items() if kind != "eog"}
MORE_SENSORS = {**CHANNELS, "MEG004": "mag"}
SENSORS = {
    "too slow for the grid": Case(
        lambda: (record_again(rate_hz=90)(), recordings(size={"sampling_rate_hz": 90}))[1],
        "grid.step_ms", ("have 90 samples a second, samples every 10 ms need 100", "set grid.step_ms to 11.1"),
    ),
    "filtered before": Case(
        filter_recordings,
        "preprocessing.low_pass_hz", ("40 Hz, but recordings of sub-01, sub-02, sub-03 were filtered at 30 Hz",),
        fatal=False,
    ),
    "unknown bad channel": Case(
        lambda: {"preprocessing": {"bad_channels": ["MEG007"]}},
        "preprocessing.bad_channels", ("there is no channel MEG007, but MEG00", "bad_channels_of"),
    ),
    "no channel of eyes": Case(
        lambda: (record_again(channels=WITHOUT_EYES)(), {"preprocessing": {"ica": {"components": 2}}})[1],
        "preprocessing.ica.eog", ("there is no channel of type EOG", "set it to null"),
    ),
    "named channel of the heart": Case(
        lambda: {"preprocessing": {"ica": {"components": 2, "ecg": "ECG063"}}},
        "preprocessing.ica.ecg", ("ECG063",),
    ),
    "no reference sensors": Case(
        lambda: {"preprocessing": {"gradient_compensation": 3}},
        "preprocessing.gradient_compensation", ("has no reference sensors", "set it to null"),
    ),
    "reference that is not there": Case(
        lambda: {"preprocessing": {"reference": ["Cz"]}},
        "preprocessing.reference", ("there is no good electrode Cz", "set it to null"),
    ),
    "amplitude of sensors that are not there": Case(
        lambda: {"preprocessing": {"rejection_peak_to_peak": {"grad": 4e-10}}},
        "preprocessing.rejection_peak_to_peak", ("no channel is of type grad, but of mag",),
    ),
    "another line frequency": Case(
        state(PowerLineFrequency=60),
        "preprocessing.line_hz", ("50 Hz, but the data set states 60 Hz", "what the mains are"), fatal=False,
    ),
    "people differ in rate": Case(
        record_again(participants=("sub-03",), rate_hz=200),
        "data.recordings", ("participants differ in sampling rate: sub-03 has 200 Hz",), fatal=False,
    ),
    "people differ in sensors": Case(
        record_again(participants=("sub-03",), channels=MORE_SENSORS),
        "data.recordings", ("participants differ in sensors: sub-03 has mag 4, eog 1, ecg 1",), fatal=False,
    ),
    "another size": Case(
        lambda: recordings(size={"sensors": 306, "sampling_rate_hz": 1000, "trials": 1000}),
        "data.recordings.size", ("set it to {sensors: 3, sampling_rate_hz: 250, trials: 24}",), fatal=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENSORS.values(), ids=SENSORS)
def test_sensors(case: Case, files: Path) -> None:
    tell(case)


def edit_file(name: str, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], None]:
    return lambda: edit_table(name, edit)


def adopt(backbone: Settings | None) -> Callable[[], Settings]:
    """Take the Behavior model of a study that started from some backbone, if that is known."""

    def spoil() -> Settings:
        other = Path("other")
        (other / "models").mkdir(parents=True)
        described = {"kind": "behavior", "dimensions": ["round"], "backbone": "backbone", "backbone_sha256": "0"}
        weights = {"adapter.0.x": np.zeros(1, np.float32)}
        save_file(weights, other / "models/behavior.safetensors", metadata={"cliphba": json.dumps(described)})
        if backbone is not None:
            (other / "backbone").mkdir()
            (other / "backbone/open_clip_config.json").write_text(json.dumps({"source": backbone}))
        return behavior(kind="model", model=str(other / "models/behavior.safetensors"))

    return spoil


JUDGEMENTS = {
    "embedding lacks pictures": Case(
        edit_file("embedding.tsv", lambda table: table.iloc[1:]),
        "data.behavior", ("1 of 8 training and validation images have no embedding, such as picture01",),
    ),
    "negative values": Case(
        edit_file("embedding.tsv", lambda table: table.assign(red=-table["red"])),
        "data.behavior", ("12 of 36 values of the embedding are negative", "as SPoSE"), fatal=False,
    ),
    "words in the embedding": Case(
        edit_file("embedding.tsv", lambda table: table.assign(red="much")),
        "data.behavior", ("embedding.tsv: 12 cells are no numbers, the first is 'much'",),
    ),
    "file missing": Case(
        lambda: behavior(embedding="nowhere.tsv"),
        "data.behavior", ("there is no file", "nowhere.tsv", "check its path"),
    ),
    "triplets of unknown pictures": Case(
        edit_file(
            "triplets.tsv",
            lambda table: pd.concat([table, table.tail(1).assign(odd="stranger")], ignore_index=True),
        ),
        "data.behavior", ("judgements name 1 pictures that are not of the study: stranger", "left out"), fatal=False,
    ),
    "pairs never judged": Case(
        edit_file("triplets.tsv", lambda table: pd.concat([table.head(1), table.tail(1)])),
        "data.behavior", ("1 of 6 pairs of stimuli occur in no triplet", "add judgements of them"),
    ),
    "too few judged": Case(
        edit_file("triplets.tsv", lambda table: table.head(1)),
        "data.behavior", ("people judged 3 of the 4 test images", "split: judged"),
    ),
    "no model there": Case(
        lambda: behavior(kind="model", model="lost.safetensors"),
        "data.behavior.model", ("there is no file", "lost.safetensors", "train it first"),
    ),
    "model of another backbone": Case(
        adopt({"architecture": "ViT-L-14-quickgelu", "weights": "openai"}),
        "data.behavior.model", ("was trained on ViT-L-14-quickgelu, openai", "set backbone.folder to"),
    ),
    "model of a backbone that is not there": Case(
        adopt(None), "data.behavior.model", ("the backbone that", "is not there", "set backbone.folder"), fatal=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", JUDGEMENTS.values(), ids=JUDGEMENTS)
def test_judgements(case: Case, files: Path) -> None:
    tell(case)


# ---- epochs


def write_epochs(
    *, sessions: tuple[str, ...] = tuple(SESSIONS), rate_hz: float = 100, people: tuple[str, ...] = tuple(PEOPLE)
) -> None:
    """Write the epochs of people, two of each picture in every session."""
    table = pd.DataFrame(list(itertools.product(sessions, STIMULI * 2)), columns=["session_nr", "image"])
    info = mne.create_info(list(CHANNELS), rate_hz, list(CHANNELS.values()))
    with info._unlock():
        info["lowpass"] = 40.0
    samples = np.random.default_rng(0).normal(0, 1e-13, (len(table), len(CHANNELS), round(0.8 * rate_hz) + 1))
    for participant in people:
        epochs = mne.EpochsArray(samples, info, tmin=-0.2, metadata=table, verbose="error")
        epochs.save(f"{participant.removeprefix('sub-')}_epo.fif", overwrite=True, verbose="error")


EPOCHS = {
    "kind": "epochs",
    "files": "{participant}_epo.fif",
    "sessions": SESSIONS,
    "session_column": "session_nr",
    "events": {"stimulus": "image"},
    "size": {"sensors": 3, "sampling_rate_hz": 100, "trials": 24},
}


def with_epochs(changes: Settings | None = None, **written: Any) -> Callable[[], Settings]:
    """Let epochs take the place of recordings."""

    def spoil() -> Settings:
        write_epochs(**written)
        return {"data": {"recordings": overlay(EPOCHS, changes or {})}}

    return spoil


def without_metadata() -> Settings:
    changes = with_epochs()()
    epochs = mne.read_epochs("02_epo.fif", verbose="error")
    epochs.metadata = None
    epochs.save("02_epo.fif", overwrite=True, verbose="error")
    return changes


GIVEN = {
    "file missing": Case(
        with_epochs(people=("sub-01", "sub-02")),
        "data.recordings.files", ("there is no file 03_epo.fif", "check data.recordings.files"),
    ),
    "no table of trials": Case(
        without_metadata, "data.recordings.files", ("02_epo.fif has no table of trials", "save it again")
    ),
    "column missing": Case(
        with_epochs({"events": {"stimulus": "picture"}}),
        "data.recordings (sub-01)", ("lacks the column picture; it has session_nr, image",),
    ),
    "session column missing": Case(
        with_epochs({"session_column": "ses"}), "data.recordings.session_column", ("no column 'ses'",)
    ),
    "session missing": Case(
        with_epochs(sessions=("01", "02", "03")), "data.recordings.sessions", ("no trial is of 04, but of",)
    ),
    "shorter than the grid": Case(
        lambda: {**with_epochs()(), "grid": {"stop_ms": 800}}, "grid", ("have no sample at 610 ms",)
    ),
    "no such channels": Case(
        with_epochs({"datatype": "eeg"}), "data.recordings", ("no good EEG channel is in all recordings",)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GIVEN.values(), ids=GIVEN)
def test_epochs(case: Case, files: Path) -> None:
    tell(case)


def test_epochs_that_are_right(files: Path) -> None:
    report = look(with_epochs()())
    assert {one.where for one in report.problems} == STANDING
    told = findings(report)
    assert told["recordings: found"] == "epochs of 3 of 3 participants"
    assert told["recordings: half 'test'"] == "2 sessions: ses-02, ses-04"
    assert told["recordings: of test images"] == "8 trials each"


# ---- published RDMs, and sets of them


def write_rdms(path: str, *, people: int = 3, times: int = 61, images: int = 12) -> None:
    triangle = np.triu(np.ones((images, images), np.float32), 1)
    np.save(path, np.broadcast_to(triangle, (people, times, images, images)))


def published(changes: Settings | None = None, **shape: int) -> Callable[[], Settings]:
    """Let published RDMs of some shape take the place of recordings."""

    def spoil() -> Settings:
        write_rdms("rdms.npy", **shape)
        return {"data": {"recordings": RDMS | (changes or {})}}

    return spoil


def hdf5() -> Settings:
    with h5py.File("rdms.h5", "w") as file:
        file["rdms"] = np.zeros((3, 61, 12, 12), np.float32)
    return {"data": {"recordings": RDMS | {"file": "rdms.h5", "format": "hdf5", "variable": "mat"}}}


def name_stimuli() -> Settings:
    Path("order.txt").write_text("\n".join(STIMULI[:-1]))
    return published({"stimuli": "order.txt"}, images=11)()


def evaluation_set(**changes: Any) -> Callable[[], Settings]:
    """Test models on a set of four pictures that two other people saw."""

    def spoil() -> Settings:
        shutil.copytree("images", "others")
        for name in STIMULI[4:]:
            next(Path("others").glob(f"{name}.*")).unlink()
        write_rdms("others.npy", people=2, images=4)
        rdms = {key: value for key, value in RDMS.items() if key != "kind"} | {"file": "others.npy"}
        given = {"name": "others", "images": "others", "count": 4, "participants": ["sub-A1", "sub-A2"], "rdms": rdms}
        return {"evaluation_sets": [overlay(given, changes)]}

    return spoil


PUBLISHED = {
    "file missing": Case(
        lambda: {"data": {"recordings": RDMS}}, "data.recordings.file", ("there is no file rdms.npy", "name the file")
    ),
    "file of a person missing": Case(
        lambda: {"data": {"recordings": RDMS | {"file": "{participant}.npy"}}},
        "data.recordings.file", ("there is no file 01.npy",),
    ),
    "variable missing": Case(hdf5, "data.recordings (sub-01)", ("has no array 'mat'", "(rdms)")),
    "another number of stimuli": Case(
        published(images=11), "data.recordings (sub-01)", ("has shape (3, 61, 11, 11)", "does not fit 12 stimuli")
    ),
    "another number of times": Case(published(times=60), "data.recordings (sub-01)", ("has 60 times, times_ms 61",)),
    "participants beyond": Case(
        published(people=2), "data.recordings (sub-03)", ("holds 2 participants, not one of number 2",)
    ),
    "times not in the file": Case(
        published({"samples": 51}, times=51),
        "grid", ("data.recordings has no RDM at 410 ms; its times are -100 to 400 ms in steps of 10",),
    ),
    "pictures not in the file": Case(
        name_stimuli, "data.recordings.stimuli", ("order.txt does not name 1 of the pictures: picture12", "alike")
    ),
    "set with another number of pictures": Case(
        evaluation_set(count=5), "evaluation_sets.others.count", ("5, but there are 4 pictures", "correct the number")
    ),
    "set without its file": Case(
        evaluation_set(rdms={"file": "lost.npy"}), "evaluation_sets.others.rdms.file", ("there is no file lost.npy",)
    ),
    "set with a participant of the study": Case(
        evaluation_set(participants=["sub-01", "sub-A2"]),
        "evaluation_sets", ("sub-01 stands twice among the participants", "give everybody a name of their own"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED.values(), ids=PUBLISHED)
def test_published_rdms_and_evaluation_sets(case: Case, files: Path) -> None:
    tell(case)


def test_published_rdms_that_are_right(files: Path) -> None:
    report = look(published()() | evaluation_set()())
    assert not report.fatal, report.text()
    told = findings(report)
    assert told["recordings: fit"] == "3 participants, 12 stimuli"
    assert told["recordings: times"] == "61 from -100 to 500 ms"
    assert told["evaluation set others: fit"] == "2 participants, 4 stimuli"


# ---- settings, backbone, downloads, machine


def weights(size: int) -> Callable[[], Settings]:
    """Name a file of weights of some size."""

    def spoil() -> Settings:
        with Path("weights.pt").open("wb") as stream:
            stream.truncate(size)
        return {"backbone": {"weights": "weights.pt"}}

    return spoil


ARCHIVE = {"to": "things", "url": "https://example.org/things.zip", "members": ["*"]}
REST = {
    "unknown key": Case(
        lambda: {"saliencies": {}}, "saliencies", ("there is no such key; allowed here: name, seed, replicate",)
    ),
    "unknown architecture": Case(
        lambda: {"backbone": {"architecture": "ViT-L-41"}},
        "backbone.architecture", ("open_clip has no model 'ViT-L-41'", "such as ViT-L-1"),
    ),
    "no vision transformer": Case(
        lambda: {"backbone": {"architecture": "RN50"}}, "backbone.architecture", ("RN50 has other towers than",)
    ),
    "CoCa": Case(
        lambda: {"backbone": {"architecture": "coca_ViT-B-32"}}, "backbone.architecture", ("it is a CoCa",)
    ),
    "unknown tag": Case(
        lambda: {"backbone": {"weights": "opanai"}}, "backbone.weights", ("open_clip has no weights 'opanai'",)
    ),
    "weights missing": Case(
        lambda: {"backbone": {"weights": "lost.pt"}}, "backbone.weights", ("there is no file lost.pt", "a tag")
    ),
    "weights cut off": Case(
        weights(10_000_000), "backbone.weights", ("weights.pt has 10 MB, but", "take 29", "get the file again")
    ),
    "folder missing": Case(
        lambda: {"backbone": {"architecture": None, "weights": None, "folder": "lost"}},
        "backbone.folder", ("lost lacks open_clip_config.json, open_clip_model.safetensors", "make that backbone"),
    ),
    "GPU missing": Case(
        lambda: {"compute": {"device": "cuda"}}, "compute.device", ("cuda, but this machine has no GPU",), fatal=False
    ),
    "GPU for decoding missing": Case(
        lambda: {"decoding": {"device": "cuda"}}, "decoding.device", ("cuda, but this machine has no",), fatal=False
    ),
    "to be put there by hand": Case(
        lambda: {"downloads": [{"to": "things.zip", "by_hand": "ask its authors"}]},
        "downloads", ("things.zip is not there and has no address", "ask its authors"),
    ),
    "password": Case(
        lambda: {"downloads": [{**ARCHIVE, "password_variable": "THINGS_WORD"}]},
        "downloads", ("the environment variable THINGS_WORD is not set", "export THINGS_WORD="),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REST.values(), ids=REST)
def test_settings_backbone_and_downloads(case: Case, files: Path) -> None:
    tell(case)


@pytest.mark.parametrize(
    ("machine", "where", "said", "fatal"),
    [
        (MACHINE._replace(free_mb=500), "results", "results take about 0.6 GB, but 0.5 GB of disk are free", True),
        (MACHINE._replace(memory_mb=3000), "memory", "this machine has 3.0 GB; run the study on a cluster", False),
    ],
    ids=["disk", "memory"],
)
def test_a_machine_that_is_too_small(machine: Machine, where: str, said: str, fatal: bool, files: Path) -> None:
    report = check(settings(), Path("results"), machine)
    (found,) = (one for one in report.problems if one.where == where)
    assert said in f"{found.what}; {found.remedy}"
    assert report.fatal == fatal


def test_results_that_are_there_need_no_room_again(files: Path) -> None:
    Path("results/small").mkdir(parents=True)
    with Path("results/small/large").open("wb") as stream:
        stream.truncate(400_000_000)
    report = check(settings(), Path("results"), MACHINE._replace(free_mb=500))
    assert not report.fatal
    assert "0.4 GB of which are there" in findings(report)["what it takes: disk"]


def test_a_gpu_takes_less_time(files: Path) -> None:
    given = settings() | {"compute": {"device": "auto"}}
    slow, fast = (check(given, Path("results"), MACHINE._replace(gpus=gpus)) for gpus in ((), ("H100",)))
    assert hours(slow) > 2 * hours(fast)
    assert findings(fast)["what it takes: processors"] == "2; GPU: H100"


def hours(report: Report) -> float:
    whole, minutes = report.table.split()[-2].split(":")
    return int(whole) + int(minutes) / 60


def test_everything_wrong_is_told_at_once(files: Path) -> None:
    Path(f"{stem()}_events.tsv").unlink()
    truncate("images/picture01.jpg")
    Path("triplets.tsv").unlink()
    given = settings() | {"sed": 1, "evaluation": {"resamples": 3}, "backbone": {"architecture": "X", "weights": "y"}}
    report = look(given)
    assert {one.where for one in report.problems if one.fatal} == {
        "sed",
        "evaluation.resamples",
        "data.recordings.events",
        "data.stimuli.images",
        "data.behavior",
        "backbone.architecture",
    }
    # warnings come last
    assert [one.fatal for one in report.problems] == sorted((one.fatal for one in report.problems), reverse=True)
    assert report.text().endswith("6 problems and 2 warnings: the study cannot be run as it is")


def test_recordings_beside_a_missing_one_are_looked_at(files: Path) -> None:
    remove_recording()
    set_onset(5000.0, session="04")()
    report = look()
    assert {one.where for one in report.problems if one.fatal} == {
        "data.recordings.sessions",
        "data.recordings.events.onset",
    }
    assert findings(report)["recordings: found"] == "11 recordings of 3 of 3 participants"


def test_of_many_problems_that_are_alike_the_first_are_written_down(files: Path) -> None:
    rename_columns()
    report = look()
    assert len([one for one in report.problems if one.fatal]) == 12
    text = report.text()
    assert text.count("lacks the column stimulus") == 3
    assert "... and 9 more like this" in text
    assert "12 problems and 2 warnings" in text


def test_the_same_problem_of_everybody_is_told_once(files: Path) -> None:
    report = look({"preprocessing": {"bad_channels": ["MEG007", "MEG008"]}})
    said = [one.what for one in report.problems if one.fatal]
    assert [text.split(",")[0] for text in said] == ["there is no channel MEG007", "there is no channel MEG008"]


DISCREPANCIES: dict[str, Settings] = {
    "held_out_participants": {"held_out_participants": ["sub-09"]},
    "held_out_participants ": {"held_out_participants": ["sub-01", "sub-02"]},
    "participants": {"participants": ["sub-01", "sub-02", "sub-02"]},
    "backbone": {"backbone": {"architecture": None, "weights": None}},
    "saliency.images": {"saliency": {"images": 5}},
    "group_training.images": {"group_training": {"images": 5}},
    "individual_training.sessions": {"individual_training": {"sessions": 1}},
    "decoding.folds": {"data": {"recordings": {"sessions": ["01", "02"]}}},
    "preprocessing.low_pass_hz": {"grid": {"step_ms": 20}},
    "preprocessing.bad_channels_of": {"preprocessing": {"bad_channels_of": {"sub-09": ["MEG001"]}}},
    "data.recordings.positions": {"data": {"recordings": {**RDMS, "positions": [0, 1]}}},
    "downloads": {
        "downloads": [{"to": "x", "url": "https://example.org/x"}, {"to": "x", "url": "https://example.org/y"}]
    },
    "study": {"simulation": {}},
}


@pytest.mark.parametrize("where", DISCREPANCIES)
def test_what_does_not_go_together_hides_nothing_else(where: str, files: Path) -> None:
    write_rdms("rdms.npy")
    truncate("images/picture01.jpg")
    told = {one.where for one in look(DISCREPANCIES[where]).problems if one.fatal}
    assert where.strip() in told
    assert "data.stimuli.images" in told or where == "study"


def test_transparent_pictures_are_a_warning(files: Path) -> None:
    opaque = Image.open("images/picture03.png").convert("RGBA")
    opaque.putpixel((0, 0), (255, 0, 0, 0))
    opaque.save("images/picture03.png")
    (found,) = (one for one in look().problems if one.where == "data.stimuli.images")
    assert not found.fatal
    assert "1 of 12 pictures are transparent in part" in found.what


def test_halves_of_one_session_are_a_matter_of_settings_alone(files: Path) -> None:
    report = look(recordings(sessions=["01", "02"]))
    assert [one.where for one in report.problems if one.fatal] == ["decoding.folds"]
    assert findings(report)["recordings: half 'train'"] == "1 session: ses-01"


def test_a_recording_whose_trials_are_dealt_out_is_measured_as_a_whole(files: Path) -> None:
    report = look(recordings(sessions=["01"], size={"sensors": 3, "sampling_rate_hz": 250, "trials": 24}))
    assert findings(report)["recordings: half 'train'"] == "2 trials: trials-1, trials-3"
    assert "data.recordings.size" not in {one.where for one in report.problems}


def test_more_folds_than_trials_are_told_with_both_numbers(files: Path) -> None:
    found = look({"decoding": {"folds": 9}}).problems[0]
    assert "in fewer trials than decoding.folds (9) of the half 'train'" in found.what
    assert "such as picture01 to sub-01 in 4" in found.what


def test_settings_that_leave_no_study_are_told_alone() -> None:
    report = check({"name": "mine", "participants": ["sub-01"]}, Path("results"), MACHINE)
    assert {one.where for one in report.problems} == {"participants"}
    neither = check({"name": "mine", "participants": PEOPLE}, Path("results"), MACHINE)
    (found,) = neither.problems
    assert (found.where, found.what) == ("study", "give either data (a real study) or simulation, and not both")


# ---- studies whose data are not there yet


OPENNEURO = {"dataset": "ds000001", "version": "1.0.0", "to": "bids"}


def test_what_will_be_downloaded_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = [{"to": name, "url": f"https://example.org/{name}"} for name in ("embedding.tsv", "triplets.tsv")]
    report = look({"downloads": [ARCHIVE | {"to": "images"}, *tables], **recordings(openneuro=OPENNEURO)})
    assert not report.fatal, report.text()
    told = findings(report)
    assert told["pictures: not there yet"] == "images: run this again after the downloads"
    assert told["judgements: not there yet"].startswith("embedding.tsv, triplets.tsv")
    numbered = look({"downloads": [{"to": "names.txt", "url": "https://example.org/n"}], **events(names="names.txt")})
    assert findings(numbered)["recordings: not there yet"].startswith("names.txt: run this again")
    # 24 trials of 1.5 s with 3 sensors at 250 Hz in 12 sessions are a megabyte
    assert told["downloads: OpenNeuro"] == (
        "ds000001 1.0.0 to bids: 0 of 12 sessions are there, the others (about 1 MB) will be downloaded"
    )
    large = {"sensors": 10_000, "sampling_rate_hz": 1e6, "trials": 10_000}
    (found,) = (one for one in look(recordings(openneuro=OPENNEURO, size=large)).problems if "openneuro" in one.where)
    # 10 000 x 1.5 s x 1 000 000 Hz x 10 000 sensors x 4 bytes in each session
    assert "take about 7200000.0 GB, but" in found.what
    assert found.fatal


def test_recordings_that_were_fetched_are_looked_at(files: Path) -> None:
    Path("bids/fetched").mkdir()
    for session in SESSIONS:
        Path(f"bids/fetched/sub-01_ses-{session}.json").write_text("{}")
    shutil.rmtree("bids/sub-02")
    report = look(recordings(openneuro=OPENNEURO))
    assert not report.fatal, report.text()
    assert findings(report)["recordings: found"] == "4 recordings of 1 of 3 participants"


@pytest.mark.parametrize("name", ["config.yaml", "studies/tiny.yaml", "studies/demo-published.yaml"])
def test_simulated_studies_have_no_problem(name: str) -> None:
    given = yaml.safe_load((ROOT / "config" / name).read_text())
    report = check(given, Path("results"), MACHINE)
    assert not report.fatal
    assert findings(report)["data: recordings"].startswith("simulated: ")
    assert "pre-training of a small CLIP" in report.table


# ---- the command


@pytest.mark.parametrize(("changes", "code"), [({}, 0), ({"evaluation": {"resamples": 3}}, 1)])
def test_command_says_it_by_its_exit_status(
    changes: Settings, code: int, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("study.yaml").write_text(yaml.safe_dump(settings()))
    Path("changes.yaml").write_text(yaml.safe_dump(changes))
    assert cli.main(["check", "study.yaml", "changes.yaml"]) == code
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("study small\n")
    assert ("evaluation.resamples: Input should be greater than" in said.out) == bool(code)


def test_torch_is_not_imported(files: Path) -> None:
    Path("study.yaml").write_text(yaml.safe_dump(settings()))
    program = (
        "import sys; from cliphba.cli import main\n"
        "code = main(['check', 'study.yaml'])\n"
        "sys.exit(code or bool({'torch', 'open_clip', 'snakemake'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(("changes", "code"), [({}, 0), ({"data": {"stimuli": {"training_images": 5}}}, 1)])
def test_rule_does_the_same(changes: Settings, code: int, files: Path) -> None:
    Path("study.yaml").write_text(yaml.safe_dump(merge(settings(), changes)))
    command = ["snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "1", "check", "--configfile", "study.yaml"]
    found = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert found.returncode == code, found.stdout + found.stderr
    assert ("correct these numbers" in " ".join(found.stdout.split())) == bool(code)
    # a log, and nothing else
    assert [path.name for path in Path("results").rglob("*") if path.is_file()] == ["check.log"]
    assert Path("results/small/logs/check.log").read_text() in found.stdout


# ---- parts of the data, and what can be tested


def test_runs_are_parts_where_there_is_one_session(files: Path) -> None:
    shutil.rmtree("bids")
    for participant, run in itertools.product(PEOPLE, ("1", "2", "3", "4")):
        checked_study.write_recording(Path("bids"), participant, "01", run=run)
    Path("bids/dataset_description.json").write_text('{"Name": "small", "BIDSVersion": "1.9.0"}')
    told = findings(report := look(recordings(sessions=["01"], runs=["1", "2", "3", "4"])))
    assert not report.fatal, report.text()
    assert told["recordings: half 'train'"] == "2 runs: run-1, run-3"
    assert told["recordings: of test images"] == "8 trials each"
    Path("bids/sub-03/ses-01/meg/sub-03_ses-01_task-pictures_run-4_meg.fif").unlink()
    (missing,) = (one for one in look(recordings(sessions=["01"], runs=["1", "2", "3", "4"])).problems if one.fatal)
    assert missing.what == "sub-03 has no run 4 in session 01; there are 1, 2, 3"


@pytest.mark.parametrize(("repetitions", "fatal"), [(2, False), (1, True)])
def test_trials_of_a_single_run_are_dealt_out(repetitions: int, fatal: bool, files: Path) -> None:
    """Four trials make two parts of each half; two trials one, which cannot be left out."""
    shown = STIMULI * 2 * repetitions
    for participant in PEOPLE:
        onset = 1 + 0.4 * np.arange(len(shown))
        table = pd.DataFrame({"onset": onset, "duration": 0.3, "stimulus": shown})
        table.to_csv(f"{stem(participant, '01')}_events.tsv", sep="\t", index=False)
    report = look(recordings(sessions=["01"]))
    assert findings(report)["recordings: half 'train'"] == "2 trials: trials-1, trials-3"
    assert report.fatal == fatal
    said = [one.what for one in report.problems if one.fatal]
    assert ["12 stimuli are shown to somebody in fewer than two parts" in text for text in said] == [True] * len(said)


@pytest.mark.parametrize(
    ("images", "people", "where"),
    [
        (12, 6, []),
        (12, 5, ["participants"]),
        (6, 6, ["test_images"]),
        (7, 6, []),
        (4, 3, ["test_images", "participants"]),
    ],
)
def test_what_too_few_images_or_people_leave_untested(images: int, people: int, where: list[str]) -> None:
    changes = {"participants": studies.people(people), "simulation": {"test_images": images, "external_sets": []}}
    found = list(statistics.judge(changed(studies.DEMO, changes)))
    assert [one.where.split(".")[-1] for one in found] == where
    assert not any(one.fatal for one in found)
    said = " ".join(one.what for one in found)
    assert ("6! = 720 ways only: no p over images is below 0.0014" in said) == (images == 6)
    assert ("identified" in said) == (people < 4)


@pytest.mark.parametrize(
    ("images", "folds", "start", "fatal"),
    [
        # five outer folds of 19 images leave 15, of which five inner ones have three each
        (19, 5, "optimised", False),
        (18, 5, "optimised", True),
        (12, 2, "optimised", False),
        (11, 2, "optimised", True),
        (11, 2, "last_block", False),
    ],
)
def test_too_few_training_images_for_the_folds(images: int, folds: int, start: str, fatal: bool) -> None:
    changes = {
        "simulation": {"training_images": images},
        "reweighting": {"outer_folds": folds, "inner_folds": folds},
        "protocol": {"initial_reweighting": start},
    }
    found = [one for one in statistics.judge(changed(studies.DEMO, changes)) if one.fatal]
    assert [one.where for one in found] == ["reweighting"] * fatal
    assert all(f"{images} training images" in one.what and "set outer_folds" in one.remedy for one in found)


def test_files_that_vanish_while_they_are_looked_at_are_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    for name in ("whole.parquet", "half.partial"):
        (tmp_path / "inside" / name).write_bytes(bytes(1000))
    usual = Path.lstat

    def vanishing(path: Path) -> os.stat_result:
        if path.suffix == ".partial":
            path.unlink(missing_ok=True)
        return usual(path)

    monkeypatch.setattr(Path, "lstat", vanishing)
    assert plan.folder_mb(tmp_path) == pytest.approx(0.001)
