"""The study files of THINGS-MEG: the same study from raw recordings, from epochs and from published RDMs."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml

from cliphba.behavior import read_things
from cliphba.config import ConfigurationError, Study, load_study
from cliphba.sources import THINGS_FILES, BIDSRecordings, EpochsRecordings
from tests.conftest import ROOT, real_data
from tests.plans import say

NAMES = ("things-meg", "things-meg-epochs", "things-meg-rdms")


def settings(name: str) -> dict[str, Any]:
    """What stands in a study file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / f"config/studies/{name}.yaml").read_text())
    return found


def study_of(name: str) -> Study:
    return load_study(settings(name))


@pytest.mark.parametrize("name", NAMES)
def test_study_is_that_of_the_published_procedure(name: str) -> None:
    study = study_of(name)
    assert study.name == name
    assert tuple(study.images) == (1456, 350, 48, 0)
    assert (len(study.grid.times_ms), study.grid.times_ms[0], study.grid.times_ms[-1]) == (281, -100, 1300)
    assert (len(study.participants), len(study.group_participants)) == (4, 3)
    assert (study.backbone.architecture, study.backbone.weights) == ("ViT-L-14-quickgelu", "openai")
    assert study.has_halves == (name != "things-meg-rdms")
    # hyperparameters are the defaults, which are the published ones
    bare = load_study({**settings("things-meg-rdms"), "name": name})
    assert (study.behavior_training, study.group_training) == (bare.behavior_training, bare.group_training)
    assert (study.individual_training, study.protocol) == (bare.individual_training, bare.protocol)


def test_files_differ_in_their_recordings_only() -> None:
    raw, *others = (settings(name) for name in NAMES)
    for other in others:
        assert {key: other["data"][key] for key in ("stimuli", "behavior", "licence")} == {
            key: raw["data"][key] for key in ("stimuli", "behavior", "licence")
        }
        assert (other["grid"], other["backbone"]) == (raw["grid"], raw["backbone"])
        assert [entry for entry in other["downloads"] if "RDM1854" not in entry["to"]] == raw["downloads"]


@pytest.mark.parametrize("name", NAMES)
def test_files_of_things_come_to_where_they_are_looked_for(name: str) -> None:
    study = study_of(name)
    assert study.data is not None
    behavior = {path for path in study.data.behavior.files if path.rsplit("/", 1)[1] in THINGS_FILES}
    assert behavior | {study.data.stimuli.images} <= {entry.to for entry in study.downloads}


def test_one_picture_of_each_concept_is_unpacked_and_named() -> None:
    study = study_of("things-meg")
    assert study.data is not None
    members = study.downloads[0].members
    pattern = study.data.stimuli.pattern
    assert members is not None
    assert pattern is not None
    archive = [
        f"object_images/{concept}/{concept}_{part}.jpg" for concept in ("bat1", "t-shirt") for part in ("01b", "02s")
    ]
    archive.append("object_images/ice_cream/ice_cream_01n.jpg")
    unpacked = [path for path in archive if any(fnmatchcase(path, wanted) for wanted in members)]
    assert [re.search(pattern, path)[1] for path in unpacked] == ["bat1", "t-shirt", "ice_cream"]  # type: ignore[index]


def test_concepts_of_trials_are_those_of_the_judgements() -> None:
    """Both ways to name a trial lead to names in the published list."""
    things = read_things(real_data("things"))
    epochs = study_of("things-meg-epochs").data
    assert epochs is not None
    assert isinstance(epochs.recordings, EpochsRecordings)
    found = re.search(epochs.recordings.events.pattern or "", "images_meg/mouse1/mouse1_10s.jpg")
    assert found is not None
    assert found[1] in things.concepts


def test_recordings_of_a_person_are_asked_for_by_session() -> None:
    data = study_of("things-meg").data
    assert data is not None
    assert isinstance(data.recordings, BIDSRecordings)
    assert data.recordings.openneuro is not None
    assert data.recordings.openneuro.files_of("sub-BIGMEG1", "ses-12") == ["sub-BIGMEG1/ses-12/**"]
    assert (len(data.recordings.sessions), len(data.recordings.runs)) == (12, 10)


def test_epochs_are_named_as_published() -> None:
    data = study_of("things-meg-epochs").data
    assert data is not None
    assert isinstance(data.recordings, EpochsRecordings)
    published = [f"derivatives/preprocessed/preprocessed_P1-epo{part}.fif" for part in ("", "-1", "-2", "-3")]
    assert data.recordings.paths("sub-P1") == [f"data/ds004212/{published[0]}"]
    assert data.recordings.openneuro is not None
    (pattern,) = data.recordings.openneuro.files_of("sub-P1", None)
    assert all(fnmatchcase(path, pattern) for path in published)
    assert not fnmatchcase("derivatives/preprocessed/preprocessed_P2-epo.fif", pattern)


def test_two_downloads_of_one_name_are_refused() -> None:
    given = settings("things-meg")
    with pytest.raises(ConfigurationError, match=r"downloads: two of them become data/things/images"):
        load_study({**given, "downloads": [*given["downloads"], given["downloads"][0]]})


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("things-meg", {"download_archive": 1, "download": 4, "fetch_recordings": 48, "preprocess": 4}),
        ("things-meg-epochs", {"download_archive": 1, "download": 4, "fetch_recordings": 4, "import_epochs": 4}),
        ("things-meg-rdms", {"download_archive": 1, "download": 5, "import_rdm": 4}),
    ],
)
def test_everything_is_downloaded_before_it_is_needed(name: str, jobs: dict[str, int]) -> None:
    said = say(
        "-n", "--forceall", "--cores", "2", "personalized_models", "--configfile", f"config/studies/{name}.yaml"
    )
    planned = dict(re.findall(r"^(\w+) +([0-9]+)$", said, flags=re.MULTILINE))
    assert {rule: int(planned.get(rule, 0)) for rule in jobs} == jobs
    assert int(planned["tune_individual"]) == 4
