"""Compare CLIP, Behavior and the group model with everybody's MEG."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import group
from cliphba.evaluate.findings import UNTRAINED, Compared, Procedure
from cliphba.tables import LazyRDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
compared = Compared(params.images_held_out, **params.compared)
shown = tables.recorded(tables.read(inputs.stimuli, "stimuli"), compared.split)


def measured(paths: list[str]) -> dict[str, LazyRDMs]:
    """RDMs of the images that models and brains are compared on, for each participant."""
    return tables.by_participant(tables.open_rdms(path).of(shown) for path in paths)


measurement, other_half = measured(inputs.measured), measured(inputs.other_half) or None
times_ms = next(iter(measurement.values())).times_ms
models = {
    Path(path).stem: tables.read_embedding(path).series(shown).at(times_ms)
    for path in (inputs.clip, inputs.behavior, inputs.group)
}
found = group.evaluate(
    models,
    measurement,
    other_half,
    Procedure(**params.procedure),
    independence={
        group.CLIP: UNTRAINED,
        group.BEHAVIOR: compared.of_behavior,
        group.GROUP: compared.of_trained,
    },
    unseen=params.held_out_participants,
)
made_by = tables.provenance(
    settings={**params.procedure, **params.compared},
    inputs=tables.by_folder([inputs.clip, inputs.behavior, inputs.group, *inputs.measured, *inputs.other_half]),
)
for kind, frame in compared.stated(found).items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), **made_by)
