"""Compare every personal model with everybody's MEG."""

from pathlib import Path

import pandas as pd

from cliphba import progress, tables
from cliphba.evaluate import individuals
from cliphba.evaluate.findings import Compared, Procedure
from cliphba.tables import RDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
compared = Compared(params.images_held_out, **params.compared)
shown = tables.recorded(tables.read(inputs.stimuli, "stimuli"), compared.split)


def measured(paths: list[str]) -> dict[str, RDMs]:
    """RDMs of the images that models and brains are compared on, for each participant."""
    return tables.by_participant(tables.read_rdms(path, of=shown) for path in paths)


measurement, other_half = measured(inputs.measured), measured(inputs.other_half) or None
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
    independence=compared.of_trained,
)
made_by = tables.provenance(
    settings={**params.procedure, **params.compared},
    inputs=tables.by_folder([*inputs.personal, inputs.group, *inputs.measured, *inputs.other_half]),
)
for kind, frame in compared.stated(found).items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), **made_by)
