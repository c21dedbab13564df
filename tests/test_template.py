"""Studies of real data: the template with each kind of data that it offers, and what the typed study refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from cliphba import studies
from cliphba.config import ConfigurationError, Study, load_study
from cliphba.section import overlay
from cliphba.sources import RDMRecordings
from tests.conftest import ROOT

STUDY_FILES = sorted(path.name for path in (ROOT / "config" / "studies").glob("*.yaml"))
NAMES = [f"{number:02d}" for number in range(1, 9)]


@pytest.mark.parametrize("name", STUDY_FILES)
def test_every_study_file_can_be_used(name: str) -> None:
    load_study(yaml.safe_load((ROOT / "config" / "studies" / name).read_text()))


def test_the_template_names_the_choices_of_a_setting() -> None:
    said = re.sub(r"\s+#\s*", " ", (ROOT / "config" / "studies" / "template.yaml").read_text())
    assert "Choices: random, in_order, judged, table. split: random" in re.sub(r"\s+", " ", said)
    assert "Choices: bids" not in said


def uncommented(place: str, number: int) -> str:
    """The template with the given commented block in place of the one before it."""
    text = (ROOT / "config" / "studies" / "template.yaml").read_text()
    blocks = re.findall(rf"(?m)^  # {place}:.*\n(?:  #   .*\n)+", text)
    usual = re.search(rf"(?m)^  {place}:\n(?:    .*\n)+", text)
    assert usual is not None
    return text.replace(usual.group(), re.sub("(?m)^  # ", "  ", blocks[number]))


@pytest.mark.parametrize(
    ("place", "number", "kind"),
    [
        ("recordings", 0, "epochs"),
        ("recordings", 1, "rdms"),
        ("behavior", 0, "tables"),
        ("behavior", 1, "things"),
        ("behavior", 2, "model"),
    ],
)
def test_every_block_of_the_template_can_be_used(place: str, number: int, kind: str) -> None:
    study = load_study(yaml.safe_load(uncommented(place, number)))
    assert getattr(study.data, place).kind == kind


@pytest.mark.parametrize(
    ("sessions", "runs", "of", "train", "test"),
    [
        (NAMES[:4], [], "sessions", ["ses-01", "ses-03"], ["ses-02", "ses-04"]),
        (NAMES[:5], ["1", "2"], "sessions", ["ses-01", "ses-03", "ses-05"], ["ses-02", "ses-04"]),
        (["01"], NAMES[:4], "runs", ["run-01", "run-03"], ["run-02", "run-04"]),
        ([], NAMES[:4], "runs", ["run-01", "run-03"], ["run-02", "run-04"]),
        ([], [], "trials", ["trials-1", "trials-3"], ["trials-2", "trials-4"]),
        (["01"], ["1"], "trials", ["trials-1", "trials-3"], ["trials-2", "trials-4"]),
    ],
)
def test_halves_are_made_of_the_largest_parts_there_are(
    sessions: list[str], runs: list[str], of: str, train: list[str], test: list[str]
) -> None:
    study = edited({"data": {"recordings": {"sessions": sessions, "runs": runs}}})
    assert study.halves_of == of
    assert study.halves == {"train": train, "test": test}


def test_published_rdms_have_no_halves() -> None:
    study = load_study(yaml.safe_load(uncommented("recordings", 1)))
    assert study.halves == {"all": []}
    assert (study.has_halves, study.training_half, study.test_half) == (False, "all", "all")
    assert isinstance(study.data and study.data.recordings, RDMRecordings)


def test_118_images_have_the_published_times() -> None:
    """1101 samples of 1 ms, averaged by five: the first as it is, then one each 5 ms."""
    study = load_study(yaml.safe_load((ROOT / "config/studies/cichy-118.yaml").read_text()))
    assert study.data is not None
    assert isinstance(study.data.recordings, RDMRecordings)
    assert study.data.recordings.times_ms == study.grid.times_ms
    assert (len(study.grid.times_ms), study.images.training, study.images.test) == (221, 80, 18)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"simulation": {}}, "either data (a real study) or simulation"),
        ({"data": {"recordings": {"sessions": [1, 2]}}}, "sessions.0: Input should be a valid string; put"),
        ({"data": {"recordings": {"kind": "bidz"}}}, "'bids', 'epochs', 'rdms'"),
        ({"data": {"recordings": {"rooot": "x"}}}, "rooot: there is no such key; allowed here: kind, root"),
        ({"data": {"recordings": {"sessions": ["01", "02", "03"]}}}, "decoding.folds: of 3 sessions"),
        ({"data": {"recordings": {"events": {"pattern": "("}}}}, "pattern: is no regular expression"),
        ({"data": {"recordings": {"events": {"pattern": "jpg$"}}}}, "pattern: needs a group"),
        ({"data": {"stimuli": {"split": "table"}}}, "split is `table`, but there is none"),
        ({"data": {"stimuli": {"test_images": 2}}}, "data.stimuli.test_images"),
        ({"data": {"behavior": {"triplets": "a.tsv", "rdm": "b.tsv"}}}, "keep the triplets"),
        ({"backbone": {"architecture": None, "weights": None}}, "a real study needs a pretrained CLIP"),
        ({"backbone": {"folder": "results/demo/backbone"}}, "give it without architecture and weights"),
        ({"individual_training": {"sessions": 1}}, "individual_training.sessions: must be from 2 to 2"),
        ({"grid": {"step_ms": 20}}, "preprocessing.low_pass_hz"),
        ({"data": {"recordings": {"datatype": "eeg"}}, "preprocessing": {"gradient_compensation": 3}}, "EEG has"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_remedy(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        edited(changes)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"grid": {"stop_ms": 700}}, "grid: data.recordings has no RDM at 610 ms"),
        ({"data": {"recordings": {"positions": [0, 1]}}}, "data.recordings.positions: there are 3 participants"),
        ({"data": {"recordings": {"variable": "mat"}}}, "variable: name the array"),
        ({"individual_training": {"sessions": 2}}, "published RDMs are of all sessions"),
    ],
)
def test_what_published_rdms_cannot_be_used_for_is_named(changes: dict[str, Any], told: str) -> None:
    given = overlay(yaml.safe_load(uncommented("recordings", 1)), changes)
    with pytest.raises(ConfigurationError) as caught:
        load_study(given)
    assert told in str(caught.value)


def edited(changes: dict[str, Any]) -> Study:
    """The template as a user edits it."""
    return load_study(overlay(yaml.safe_load(studies.to_template()), changes))
