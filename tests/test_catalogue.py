"""The catalogue of figures and what draws them belong together."""

import inspect
from importlib import import_module

import pytest
import yaml

from cliphba import tables
from cliphba.config import load_study
from cliphba.figures.catalogue import CATALOGUE, MAIN_TABLES
from cliphba.figures.wording import HALVES, Facts
from tests.conftest import ROOT

#: A study of each kind: of real data, with halves of other things than sessions or none, and less judged or nothing.
STUDIES = {
    "simulated": Facts(),
    "published": Facts(evaluated_on="training"),
    "sessions": Facts(simulated=False, external_sets=False),
    "runs": Facts(simulated=False, parts="runs", folds="trials", judgements="rdm"),
    "trials": Facts(simulated=False, parts="trials", judgements=None, behavior="clip"),
    "none": Facts(simulated=False, parts=None, judgements="rdm", behavior="adopted"),
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_figure_is_drawn_from_the_tables_that_the_catalogue_names(name):
    parameters = inspect.signature(import_module(f"cliphba.figures.{name}").draw).parameters
    assert [*CATALOGUE[name].tables, "note"] == list(parameters)
    assert parameters["note"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_said_of_a_figure_is_complete(name):
    entry = CATALOGUE[name]
    assert set(entry.tables.values()) <= {*tables.COLUMNS, "rdm", "embedding"}
    for text in (Facts().caption(entry.caption), entry.reading):
        assert text.endswith(".")
        assert "  " not in text
    assert entry.reading.count(". ") == 0, "the gallery has one sentence for each"


def test_titles_tell_figures_apart():
    assert len({(entry.section, entry.title) for entry in CATALOGUE.values()}) == len(CATALOGUE)


@pytest.mark.parametrize("facts", STUDIES.values(), ids=STUDIES)
def test_a_caption_speaks_of_nothing_that_a_study_does_not_have(facts):
    lacking = {
        "session": facts.parts != "sessions",
        "half": facts.parts is None,
        "halves": facts.parts is None,
        "Model-free": facts.parts is None,
        "own noise ceiling": facts.parts is None,
        "odd-one-out": facts.judgements != "triplets",
        "ceiling of the human": facts.judgements != "triplets",
        "Degraded": not facts.simulated,
        "equally often": not facts.simulated,
    }
    for entry in (*filter(facts.have, CATALOGUE.values()), *MAIN_TABLES.values()):
        # of main tables one is of simulated studies alone
        if entry is MAIN_TABLES["data_efficiency"]:
            continue
        told = " ".join(facts.caption(entry.caption).split())
        assert told.endswith(".")
        assert not {"{", "}", "None"} & set(told.split())
        for word, missing in lacking.items():
            assert not (missing and word in told), (entry.title, word)


def test_figures_that_a_study_has_no_tables_for_are_left_out():
    missing = {
        name: {figure for figure, entry in CATALOGUE.items() if not facts.have(entry)}
        for name, facts in STUDIES.items()
    }
    assert missing == {
        "simulated": set(),
        "published": set(),
        "sessions": {"external", "data_efficiency"},
        "runs": {"odd_one_out", "data_efficiency"},
        "trials": {"behavior", "dynamic_behavior", "odd_one_out", "data_efficiency"},
        "none": {"data_quality", "odd_one_out", "data_efficiency"},
    }


def test_a_note_says_what_the_data_are():
    notes = {name: facts.note() for name, facts in STUDIES.items()}
    assert notes == {
        "simulated": "Simulated data",
        "published": "Simulated data; alignment with data of training (published protocol)",
        "sessions": HALVES["sessions"],
        "runs": HALVES["runs"],
        "trials": f"{HALVES['trials']}; Behavior model: CLIP as it is, read by prompts",
        "none": "Independent in images only: tested on the recordings of training; Behavior model of another study",
    }
    assert STUDIES["published"].note_of_external_sets() == "Simulated data"
    assert (
        STUDIES["none"].note_of_external_sets() == "Published RDMs of other people; Behavior model of another study"
    )


@pytest.mark.parametrize("name", STUDIES)
def test_an_introduction_tells_what_is_there(name):
    told = STUDIES[name].introduction(7)
    assert "of the MEG of 7 participants (the group model)" in told
    assert told.endswith(".")
    assert not {"{", "}", "None"} & set(told.split())
    expected = {
        "simulated": "images and recording sessions that no training saw. The data are simulated:",
        "published": "By the published protocol: alignment with MEG is that with the images and sessions of tr",
        "sessions": "(the Behavior model), to the time course",
        "runs": "images and runs that no training saw.",
        "trials": "CLIP as it is, read by prompts (the Behavior model), and fine-tuned to the time course",
        "none": "were trained on: claims are independent in images only.",
    }
    assert expected[name] in told
    assert ("simulated" in told) == STUDIES[name].simulated
    assert ("Nobody judged" in told) == (STUDIES[name].judgements is None)
    assert ("in another study" in told) == (STUDIES[name].behavior == "adopted")


def test_eeg_is_called_by_its_name():
    facts = Facts(simulated=False, eeg=True)
    assert "the time course of the EEG, which is called MEG here, of 3 participants" in facts.introduction(3)
    assert "what is called MEG is EEG" in facts.note()


@pytest.mark.parametrize("name", ["tiny", "demo-published", "cichy-118", "template"])
def test_facts_are_those_of_the_study(name):
    study = load_study(yaml.safe_load((ROOT / f"config/studies/{name}.yaml").read_text()))
    expected = {
        "tiny": Facts(),
        "demo-published": Facts(evaluated_on="training"),
        "cichy-118": Facts(simulated=False, parts=None, judgements=None, behavior="adopted", external_sets=False),
        "template": Facts(simulated=False, judgements=None, behavior="clip", external_sets=False),
    }
    assert Facts.of(study) == expected[name]
