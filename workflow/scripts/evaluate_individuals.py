"""Compare every personal model with everybody's MEG."""

from pathlib import Path

import pandas as pd

from cliphba import progress, tables
from cliphba.evaluate import individuals
from cliphba.evaluate.findings import Independence, Procedure
from cliphba.tables import RDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
held_out = params.evaluated_on == "held_out"
images_held_out = held_out and params.images_held_out
shown = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test" if held_out else "train")


def measured(paths: list[str]) -> dict[str, RDMs]:
    """RDMs of the images that models and brains are compared on, for each participant."""
    return tables.by_participant(tables.read_rdms(path, of=shown) for path in paths)


halves = measured(inputs.test_half), measured(inputs.training_half)
measurement, other_half = halves if held_out else halves[::-1]
times_ms = next(iter(measurement.values())).times_ms
people = individuals.People(
    embeddings={Path(path).stem: tables.read_embedding(path).of(shown) for path in inputs.personal},
    group=tables.read_embedding(inputs.group).rdms(shown).at(times_ms),
    measured=measurement,
    other_half=other_half,
    reweighting=pd.concat([tables.read(path, "reweighting") for path in inputs.reweighting], ignore_index=True),
)
found = individuals.evaluate(
    people,
    Procedure(**params.procedure),
    independence=Independence(images=images_held_out, data=held_out, people=False),
)
made_by = tables.provenance(
    settings={**params.procedure, "evaluated_on": params.evaluated_on},
    inputs=tables.by_folder([*inputs.personal, inputs.group, *inputs.training_half, *inputs.test_half]),
)
for kind, frame in found.items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), **made_by)
