"""The simulated studies, and the files under ``config/`` that are generated from the typed configuration.

``python -m cliphba.studies`` rewrites ``config/config.yaml`` (the demo), the files under ``config/studies`` and
``config/schema.json``; a test fails when they drift from what is written here.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cliphba import config, sources

# The grid of all: 50 Hz resolves responses whose latencies lie 20-30 ms apart and keeps the demo at minutes.
GRID = config.TimeGrid(start_ms=-100, stop_ms=600, step_ms=20)
# below the 25 Hz that a 50 Hz grid leaves
PREPROCESSING = config.Preprocessing(low_pass_hz=20)

# The demo's towers are a thousand times smaller than ViT-L/14 and see a tenth of the images: larger steps, smaller
# batches, more epochs, three of six blocks adapted to behaviour. Chosen by losses on validation images.
STEPS: dict[str, Any] = {"reweighting_learning_rate": 3e-2, "adapter_learning_rate": 2e-3, "batch_size": 28}


def people(count: int, group: str = "") -> list[str]:
    """Name participants in BIDS spelling."""
    return [f"sub-{group}{number:02d}" for number in range(1, count + 1)]


DEMO = config.Study(
    name="demo",
    participants=people(6),
    grid=GRID,
    preprocessing=PREPROCESSING,
    # people who differ more (0.5) leave it open what a mean over six of them says of others
    simulation=config.Simulation(
        gain_sd=0.4,
        # six people are the fewest whose signs can say something; twelve trials of a picture, as in the test half
        external_sets=[
            config.ExternalSet(name="degraded", rendering="degraded", participants=people(6, "D")),
            config.ExternalSet(name="no-background", rendering="without_background", participants=people(6, "N")),
        ],
    ),
    behavior_training=config.BehaviorTraining(vision_blocks=3, learning_rate=5e-3, epochs=60, patience=10),
    # chosen in a single trial on training pictures that were kept back, where the published scale of 1 did worse; the
    # ablations find no difference
    protocol=config.Protocol(noise_scale=0.3),
    # nine solutions instead of twenty-five differ by no more than their folds do
    reweighting=config.Reweighting(outer_folds=3, inner_folds=3),
    group_training=config.DynamicTraining(**STEPS, stage_2_epochs=120, stage_2_patience=15),
    individual_training=config.individual_training_defaults().model_copy(
        update={**STEPS, "adapter_learning_rate": 4e-3, "stage_2_epochs": 60, "stage_2_patience": 20}
    ),
    # towers this small are as fast on the CPU, where people's trainings run side by side
    compute=config.Compute(device="cpu"),
)

DEMO_PUBLISHED = config.as_published(DEMO).model_copy(update={"name": "demo-published"})
DEMO_ALIKE = config.changed(
    DEMO, {"name": "demo-alike", "simulation": {"gain_sd": 0, "latency_sd_ms": 0, "external_sets": []}}
)

TINY = config.Study(
    name="tiny",
    participants=people(3),
    grid=GRID,
    # two sessions a half: a picture that lost all its trials of one could not be cross-validated
    preprocessing=PREPROCESSING.model_copy(update={"rejection_deviations": 20, "high_pass_hz": 0.5}),
    simulation=config.Simulation(
        training_images=16,
        validation_images=8,
        test_images=12,
        behavior_images=40,
        sessions=4,
        training_trials=3,
        sensors=24,
        external_sets=[
            config.ExternalSet(
                name="degraded", rendering="degraded", images=10, participants=people(2, "D"), trials=3
            )
        ],
        backbone=config.SimulatedBackbone(
            pictures=256,
            held_out_pictures=40,
            width=32,
            vision_layers=3,
            text_layers=1,
            embedding_dimensions=32,
            epochs=5,
            batch_size=32,
            learning_rate=4e-3,
        ),
    ),
    behavior_training=config.BehaviorTraining(epochs=4, patience=4),
    # few images and no time: the fewest folds there are
    reweighting=config.Reweighting(outer_folds=2, inner_folds=2),
    group_training=config.DynamicTraining(stage_1_epochs=10, stage_2_epochs=2, batch_size=16),
    individual_training=config.individual_training_defaults().model_copy(
        update={"stage_1_epochs": 5, "stage_2_epochs": 2, "batch_size": 16}
    ),
    evaluation=config.Evaluation(resamples=100, permutations=200),
    saliency=config.Saliency(images=2, masks=100),
    compute=config.Compute(device="cpu"),
)

# As large as real studies, of which a cluster is asked the same: docs/cluster.md has what that is.
LARGE_BACKBONE = config.Backbone(architecture="ViT-L-14-quickgelu", weights="openai")
AS_THINGS_MEG = config.Study(
    name="as-things-meg",
    participants=people(4),
    simulation=config.Simulation(
        training_images=1456,
        validation_images=350,
        test_images=48,
        behavior_images=0,
        sessions=12,
        training_trials=1,
        held_out_trials=1,
        sensors=271,
        sampling_rate_hz=1200,
    ),
    backbone=LARGE_BACKBONE,
)
# Cichy, Pantazis & Oliva 2016; models at every fifth of its 1101 times
AS_118_IMAGES = config.Study(
    name="as-118-images",
    participants=people(15),
    grid=config.TimeGrid(start_ms=-100, stop_ms=1000, step_ms=5),
    simulation=config.Simulation(
        training_images=80,
        validation_images=20,
        test_images=18,
        behavior_images=1726,
        sessions=4,
        training_trials=15,
        held_out_trials=15,
        sensors=306,
        sampling_rate_hz=1000,
    ),
    backbone=LARGE_BACKBONE,
)

TEMPLATE = config.Study(
    name="my-study",
    participants=people(3),
    grid=config.TimeGrid(start_ms=-100, stop_ms=600, step_ms=10),
    preprocessing=config.Preprocessing(low_pass_hz=30),
    data=sources.Data(
        stimuli=sources.Stimuli(
            images="data/my-study/images", training_images=70, validation_images=10, test_images=20
        ),
        recordings=sources.BIDSRecordings(
            kind="bids", root="data/my-study/bids", task="pictures", sessions=["01", "02", "03", "04"]
        ),
    ),
    backbone=config.Backbone(architecture="ViT-L-14-quickgelu", weights="openai"),
)
TEMPLATE_SETTINGS = (
    "name", "participants", "grid", "data", "evaluation_sets", "backbone", "preprocessing", "decoding", "compute",
)  # fmt: skip
# Other kinds of data, by the section that they take the place of.
TEMPLATE_ALTERNATIVES: dict[str, list[BaseModel]] = {
    "recordings": [
        sources.EpochsRecordings(
            kind="epochs",
            files="data/my-study/{participant}_ses-{session}_epo.fif",
            sessions=["01", "02", "03", "04"],
        ),
        sources.RDMRecordings(
            kind="rdms", file="data/my-study/rdms.npy", format="numpy", start_ms=-100, step_ms=10, samples=71
        ),
    ],
    "behavior": [
        sources.TablesBehavior(kind="tables", embedding="data/my-study/embedding.tsv", rdm="data/my-study/rdm.tsv"),
        sources.THINGSBehavior(kind="things", folder="data/things"),
        sources.ModelBehavior(kind="model", model="results/things-meg/models/behavior.safetensors"),
    ],
}

TEMPLATE_HEADER = """\
# Template for a study of your own: copy this file to config/studies/<name>.yaml, edit the copy, and run
#   cliphba check config/studies/<name>.yaml
#   snakemake --cores 8 all --configfile config/studies/<name>.yaml
# docs/your-own-data.md leads through it. Paths begin at the repository. What is not said here has the value of
# config/config.yaml's comments: every setting there can stand here, too (training, statistics, protocol ...).
# Generated from the typed configuration (workflow/cliphba) by `make config`.
"""

HEADER = """\
# {title}
# Generated from the typed configuration (workflow/cliphba/config.py and studies.py) by `make config`.
# For a study of your own copy this file into config/studies/ and pass it by --configfile.
# Settings that are commented out are as `protocol.name` has them.
"""


def _lines(
    section: BaseModel, indent: int, decided: Mapping[str, Any], published: bool, names: Collection[str] = ()
) -> Iterator[str]:
    """Write a section, or some settings of it; `decided` are those that the protocol decides, as published."""
    margin = "  " * indent
    # what kind of section it is comes before all that hangs on it
    fields = dict(sorted(type(section).model_fields.items(), key=lambda field: field[0] != "kind"))
    for name, field in fields.items():
        if names and name not in names:
            continue
        value = getattr(section, name)
        yield from textwrap.wrap(
            " ".join(_explanation(field)), 110, initial_indent=f"{margin}# ", subsequent_indent=f"{margin}# "
        )
        if isinstance(value, BaseModel):
            yield f"{margin}{name}:"
            yield from _lines(value, indent + 1, decided.get(name, {}), published)
        elif isinstance(value, list) and any(isinstance(one, BaseModel) for one in value):
            yield f"{margin}{name}:"
            for one in value:
                yield from _item(list(_lines(one, indent + 2, {}, published)))
        else:
            usual = decided.get(name) if published else field.default
            mark = "# " if name in decided and value == usual else ""
            yield f"{margin}{mark}{name}: {_scalar(value)}"


def _explanation(field: FieldInfo) -> Iterator[str]:
    """Say what a setting is, and between which words there is a choice."""
    yield field.description or ""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    if len(choices) > 1:
        yield f"Choices: {', '.join(choices)}."


def _item(lines: list[str]) -> Iterator[str]:
    """Write a section as an item of a list: its first setting gets the dash, what is said of it stands above."""
    first = next(index for index, line in enumerate(lines) if not line.lstrip().startswith("#"))
    text = lines[first].lstrip()
    dash = " " * (len(lines[first]) - len(text) - 2) + "- "
    yield from (*(line[2:] for line in lines[:first]), dash + text, *lines[first + 1 :])


def _scalar(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("...\n").strip()


def to_yaml(study: config.Study, title: str) -> str:
    """Write a study as YAML with every key explained above it."""
    lines = _lines(study, 0, config.PUBLISHED, study.protocol.name == "published")
    return HEADER.format(title=title) + "\n" + "\n".join(lines) + "\n"


def to_template() -> str:
    """Write the template: what every study of real data must say, and other kinds of data as comments."""
    lines = list(_lines(TEMPLATE, 0, config.PUBLISHED, False, TEMPLATE_SETTINGS))
    for place, alternatives in TEMPLATE_ALTERNATIVES.items():
        end = _end_of_section(lines, place)
        others = [line for other in alternatives for line in _commented(place, other)]
        lines[end:end] = others
    return TEMPLATE_HEADER + "\n" + "\n".join(lines) + "\n"


def _end_of_section(lines: list[str], place: str) -> int:
    """Line after the last setting of a section of `data`."""
    start = lines.index(f"  {place}:")
    inner = (index for index in range(start + 1, len(lines)) if not lines[index].startswith("    "))
    return next(inner, len(lines))


def _is_example(field: FieldInfo, value: Any) -> bool:
    """Whether a value is written down for this study rather than what holds everywhere."""
    return bool(value != field.get_default(call_default_factory=True))


def _commented(place: str, section: BaseModel) -> Iterator[str]:
    """Write another kind of a section as a comment, but for settings that it shares with the kind before it."""
    usual = type(getattr(TEMPLATE.data, place)).model_fields
    fields = type(section).model_fields
    own = {name for name, value in section if name == "kind" or name not in usual or _is_example(fields[name], value)}
    shared = [name for name, value in section if name not in own and value is not None]
    yield f"  # {place}:" + (f"    # and {', '.join(shared)} as above" if shared else "")
    yield from (f"  # {line.removeprefix('  ')}" for line in _lines(section, 2, {}, False, own))


def generated_files() -> dict[str, str]:
    """Path under ``config/`` to content of every generated file."""
    return {
        "config.yaml": to_yaml(DEMO, "The demo study: simulated, everything from raw MEG to figures in minutes."),
        "studies/demo-published.yaml": to_yaml(
            DEMO_PUBLISHED, "The demo study by the published protocol, faults included, to be compared."
        ),
        "studies/demo-alike.yaml": to_yaml(
            DEMO_ALIKE, "The demo study of people who are all alike, so that nobody may be identified."
        ),
        "studies/tiny.yaml": to_yaml(TINY, "The tiny study: the same chain in seconds, for the tests."),
        "studies/template.yaml": to_template(),
        "schema.json": json.dumps(config.Study.model_json_schema(), indent=2) + "\n",
    }


if __name__ == "__main__":
    for name, content in generated_files().items():
        (Path("config") / name).write_text(content)
