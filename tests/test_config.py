"""The typed study: generated files, every key explained, and one clear message for whatever is wrong."""

import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from cliphba import config, studies
from cliphba.config import ConfigurationError, load_draft, load_study
from tests.conftest import ROOT

EXTERNAL = {"name": "grey", "rendering": "degraded", "participants": ["sub-04", "sub-05"]}
LEAST = {"name": "mine", "participants": ["sub-01", "sub-02", "sub-03"], "simulation": {}}


def sections(section: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield section
    for field in section.model_fields.values():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from sections(inner)


@pytest.mark.parametrize("name", studies.generated_files())
def test_generated_files_have_not_drifted(name):
    assert (ROOT / "config" / name).read_text() == studies.generated_files()[name], "run `make config`"


@pytest.mark.parametrize("study", [studies.DEMO, studies.DEMO_ALIKE, studies.TINY], ids=lambda study: study.name)
def test_study_comes_back_from_its_yaml(study):
    assert load_study(yaml.safe_load(studies.to_yaml(study, "A title."))) == study


def test_every_key_is_explained():
    unexplained = [
        f"{section.__name__}.{name}"
        for section in sections(config.Study)
        for name, field in section.model_fields.items()
        if not field.description or not field.description.endswith(".")
    ]
    assert config.ExternalSet in sections(config.Study)
    assert not unexplained


def test_every_key_of_the_yaml_has_its_comment_above():
    lines = studies.generated_files()["config.yaml"].splitlines()
    keys = [index for index, line in enumerate(lines) if line and not line.lstrip().startswith("#")]
    assert all(lines[index - 1].lstrip().startswith("#") for index in keys)


def test_published_values_are_the_defaults():
    study = load_study(LEAST)
    behavior, group, personal = study.behavior_training, study.group_training, study.individual_training
    assert (behavior.learning_rate, behavior.batch_size, behavior.patience) == (3e-4, 64, 20)
    assert (behavior.adapter.rank, behavior.adapter.alpha, behavior.adapter.magnitude) == (32, 16, True)
    assert (behavior.vision_blocks, behavior.text_blocks) == (2, 1)
    assert (group.adapter.rank, personal.adapter.rank, personal.adapter.magnitude) == (32, 6, False)
    assert (group.reweighting_learning_rate, group.adapter_learning_rate) == (3e-3, 3e-5)
    assert tuple(group.loss.model_dump().values()) == (1, 0.1, 0.15)
    assert tuple(personal.loss.model_dump().values()) == (1, 0.15, 0.1)
    assert (group.batch_size, personal.batch_size) == (50, 40)
    assert len(study.grid.times_ms) == 281
    assert (study.grid.times_ms[0], study.grid.times_ms[-1]) == (-100, 1300)


def test_a_section_given_in_part_keeps_the_defaults_of_its_place():
    given = {"individual_training": {"stage_2_epochs": 3, "adapter": {"alpha": 8}, "loss": {"pattern": 2}}}
    personal = load_study(LEAST | given).individual_training
    assert (personal.stage_2_epochs, personal.batch_size, personal.stage_2_patience) == (3, 40, 10)
    assert personal.adapter == config.Adapter(rank=6, alpha=8, magnitude=False)
    assert personal.loss == config.LossWeights(pattern=2, magnitude=0.15, generalisation=0.1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"decoding": {"shrinkage": "auto"}},
            r"decoding.shrinkage: .*\n  decoding.shrinkage: Input should be 'ledoit_wolf'",
        ),
        ({"sed": 1}, r"sed: there is no such key; allowed here: name, seed, replicate, participants"),
        ({"grid": {"stepms": 5}}, r"grid.stepms: there is no such key; allowed here: start_ms, stop_ms, step_ms"),
        (
            {"individual_training": {"adapter": {"rnk": 3}}},
            r"individual_training.adapter.rnk: there is no such key; allowed here: method, rank, alpha, magnitude",
        ),
        ({"seed": "one"}, r"seed: .*integer.*'one'"),
        ({"simulation": 5}, r"simulation: .*dictionary.*5"),
        ({"group_training": {"batch_size": 2}}, r"group_training.batch_size: .*greater than or equal to 4 .*2"),
        ({"evaluation": {"resamples": 3}}, r"evaluation.resamples: .*greater than or equal to 20"),
        ({"simulation": {"sessions": 5}}, r"simulation.sessions: .*multiple of 2"),
        ({"compute": {"device": "tpu"}}, r"compute.device: .*'auto', 'cpu' or 'cuda'.*'tpu'"),
        ({"grid": {"stop_ms": float("inf")}}, r"grid.stop_ms: .*finite"),
        ({"grid": {"step_ms": 7}}, r"grid: start_ms and stop_ms must be whole multiples of step_ms"),
        ({"grid": {"start_ms": 0}}, r"grid.start_ms: .*less than 0"),
        ({"grid": {"step_ms": 20}}, r"preprocessing.low_pass_hz: must be at most 20 Hz"),
        ({"preprocessing": {"high_pass_hz": 45}}, r"preprocessing: high_pass_hz must be below low_pass_hz"),
        (
            {"preprocessing": {"baseline_ms": [-50, 50]}},
            r"preprocessing: baseline_ms: must begin before it ends, and",
        ),
        ({"preprocessing": {"baseline_ms": [-200, 0]}}, r"preprocessing.baseline_ms: epochs begin at -100 ms"),
        ({"preprocessing": {"bad_channels_of": {"sub-09": []}}}, r"bad_channels_of: sub-09 does not stand in part"),
        ({"preprocessing": {"rejection_peak_to_peak": {"meg": 1}}}, r"rejection_peak_to_peak.meg.*'mag', 'grad' or"),
        ({"preprocessing": {"reference": "average"}}, r"preprocessing.reference: MEG has none"),
        ({"preprocessing": {"ica": {"components": 1}}}, r"preprocessing.ica.components.*greater than or equal to 2"),
        ({"participants": ["sub-01", "sub-02", "sub-02"]}, r"participants: every name may stand there once"),
        ({"participants": ["sub-01", "sub-02", "Anna"]}, r"participants.2: .*'Anna'"),
        ({"participants": ["sub-01"]}, r"participants: .*at least 3"),
        ({"name": "my study"}, r"name: .*'my study'"),
        ({"replicate": -1}, r"replicate: .*greater than or equal to 0"),
        ({"held_out_participants": ["sub-04"]}, r"held_out_participants: sub-04 does not stand in participants"),
        (
            {"held_out_participants": ["sub-01", "sub-02"]},
            r"held_out_participants: leaves 1 participants for the group model, which needs two",
        ),
        ({"group_training": {"images": 3}}, r"group_training.images: .*greater than or equal to 4"),
        ({"individual_training": {"images": 185}}, r"individual_training.images: must be at most 184"),
        ({"behavior_training": {"images": 1}}, r"behavior_training.images: .*greater than or equal to 2"),
        ({"group_training": {"sessions": 1}}, r"group_training.sessions: must be from 2 to 4"),
        ({"individual_training": {"sessions": 5}}, r"individual_training.sessions: must be from 2 to 4"),
        (
            {"simulation": {"external_sets": [EXTERNAL | {"trails": 3}]}},
            r"simulation.external_sets.0.trails: there is no such key; allowed here: name, rendering, images",
        ),
        ({"simulation": {"external_sets": [EXTERNAL, EXTERNAL]}}, r"external_sets: every name may stand there once"),
        (
            {"simulation": {"external_sets": [EXTERNAL | {"participants": ["sub-04", "sub-02"]}]}},
            r"external_sets: sub-02 stands twice among the participants of the study and of its external sets",
        ),
        (
            {"simulation": {"external_sets": [EXTERNAL, EXTERNAL | {"name": "other"}]}},
            r"external_sets: sub-04 stands twice",
        ),
        (
            {"simulation": {"external_sets": [EXTERNAL | {"rendering": "upside_down"}]}},
            r"external_sets.0.rendering: .*'full', 'degraded' or 'without_background'",
        ),
        ({"evaluation": {"comparison": "kendall"}}, r"evaluation.comparison: .*'spearman', 'pearson' or 'cosine'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_path_and_what_is_allowed(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        load_study(LEAST | wrong)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(ConfigurationError) as caught:
        load_study({"participants": LEAST["participants"], "seed": -1, "simulation": {"sensors": 2}})
    assert str(caught.value).count("\n") == 3
    for path in ("name: is missing", "seed: ", "simulation.sensors: "):
        assert path in str(caught.value)


def test_all_settings_that_do_not_go_together_are_named_at_once():
    wrong = {"held_out_participants": ["sub-04"], "grid": {"step_ms": 20}, "saliency": {"images": 81}}
    with pytest.raises(ConfigurationError) as caught:
        load_study(LEAST | wrong)
    assert [fault.keys for fault in caught.value.faults] == [(), (), ()]
    said = str(caught.value)
    for path in ("study: held_out_participants: ", "study: preprocessing.low_pass_hz: ", "study: saliency.images: "):
        assert path in said


def test_a_draft_lets_pass_what_does_not_go_together_and_nothing_else():
    wrong = LEAST | {"held_out_participants": ["sub-04"]}
    assert load_draft(wrong).held_out_participants == ["sub-04"]
    with pytest.raises(ConfigurationError) as caught:
        load_draft(wrong | {"seeds": 3, "simulation": {"sensors": 2}})
    assert [fault.keys for fault in caught.value.faults] == [("simulation", "sensors"), ("seeds",)]


def test_an_empty_file_is_refused():
    with pytest.raises(ConfigurationError, match=r"study: .*dictionary"):
        load_study(yaml.safe_load(""))


def test_seeds_differ_by_purpose_and_by_study_seed_but_not_by_run():
    first, other = load_study(LEAST), load_study(LEAST | {"seed": 2})
    purposes = [("group",), ("individual", "sub-01"), ("individual", "sub-02"), ("behavior",)]
    seeds = [study.seed_of(*purpose) for study in (first, other) for purpose in purposes]
    assert len(set(seeds)) == 8
    assert seeds[:4] == [load_study(LEAST).seed_of(*purpose) for purpose in purposes]
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_halves_are_whole_sessions_and_share_none():
    halves = load_study(LEAST | {"simulation": {"sessions": 4}}).halves
    assert halves == {"train": ["ses-01", "ses-03"], "test": ["ses-02", "ses-04"]}


def test_one_session_is_enough_where_single_trials_are_folds():
    study = load_study(LEAST | {"decoding": {"folds": 5}, "individual_training": {"sessions": 1}})
    assert study.individual_training.sessions == 1


def test_first_sessions_of_a_half():
    study = load_study(LEAST)
    assert study.sessions_of("train") == ["ses-01", "ses-03", "ses-05", "ses-07"]
    assert study.sessions_of("train-2") == ["ses-01", "ses-03"]
    assert study.sessions_of("test") == study.halves["test"]


def test_nobody_differs_from_anybody_in_the_study_of_people_alike():
    alike = studies.DEMO_ALIKE.simulation
    assert (alike.gain_sd, alike.latency_sd_ms, alike.external_sets) == (0, 0, [])
    usual = studies.DEMO.simulation.model_dump(include={"gain_sd", "latency_sd_ms", "external_sets"})
    assert config.changed(studies.DEMO_ALIKE, {"name": "demo", "simulation": usual}) == studies.DEMO


def test_light_parts_do_not_import_torch():
    code = (
        "import sys, cliphba.studies, cliphba.tables, cliphba.rdm, cliphba.meg.curves, cliphba.behavior;"
        "sys.exit(bool({'torch', 'open_clip', 'peft'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow", check=False).returncode == 0


def test_external_sets_come_back_from_yaml_each_with_its_keys_explained():
    text = studies.to_yaml(studies.DEMO, "A title.")
    assert load_study(yaml.safe_load(text)).external_sets == studies.DEMO.external_sets
    assert text.count("# Name of the set in paths and tables.\n    - name: ") == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": "epo.fif"}, r"files: \{participant\} must stand in it"),
        ({"files": "{participant}_{session}_epo.fif"}, "sessions: name them, since"),
        ({"sessions": ["1", "2"]}, "sessions: give either session_column"),
        ({"events": {"pattern": ".jpg"}}, r"events.pattern: needs a group"),
        ({"events": {"pattern": "(.jpg"}}, r"events.pattern: is no regular expression"),
    ],
)
def test_epochs_that_cannot_be_found_are_refused(changes, message):
    recordings = {"kind": "epochs", "files": "{participant}_epo.fif", **changes}
    stimuli = {"images": "images", "training_images": 20, "validation_images": 4, "test_images": 4}
    with pytest.raises(ConfigurationError, match=message):
        load_study({**LEAST, "simulation": None, "data": {"stimuli": stimuli, "recordings": recordings}})


@pytest.mark.parametrize(
    ("stimuli", "behavior", "message"),
    [
        ({"split": "table"}, {"kind": "clip"}, "split is `table`, but there is none"),
        ({"split": "judged"}, {"kind": "clip"}, "split is `judged`, but behavior has no judgements"),
        ({"pattern": "(a)", "table": "stimuli.tsv"}, {"kind": "clip"}, "pattern and table are both given"),
        ({}, {"kind": "clip", "rdm": "a.tsv", "triplets": "b.tsv"}, "triplets and rdm are both given"),
        ({}, {"kind": "clip", "prompts": ["red", "red", "round"]}, "a text stands there twice"),
    ],
)
def test_pictures_and_judgements_that_do_not_go_together_are_refused(stimuli, behavior, message):
    given = {"images": "images", "training_images": 20, "validation_images": 4, "test_images": 4, **stimuli}
    recordings = {"kind": "epochs", "files": "{participant}_epo.fif"}
    data = {"stimuli": given, "recordings": recordings, "behavior": behavior}
    with pytest.raises(ConfigurationError, match=message):
        load_study({**LEAST, "simulation": None, "data": data})
