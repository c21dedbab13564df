"""Compare CLIP, Behavior and the group model with everybody's MEG."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import group
from cliphba.evaluate.findings import Independence, Procedure
from cliphba.tables import LazyRDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
held_out = params.evaluated_on == "held_out"
images_held_out = held_out and params.images_held_out
shown = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test" if held_out else "train")


def measured(paths: list[str]) -> dict[str, LazyRDMs]:
    """RDMs of the images that models and brains are compared on, for each participant."""
    return tables.by_participant(tables.open_rdms(path).of(shown) for path in paths)


halves = measured(inputs.test_half), measured(inputs.training_half)
measurement, other_half = halves if held_out else halves[::-1]
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
        group.CLIP: Independence(images=True, data=True, people=True),
        group.BEHAVIOR: Independence(images=images_held_out, data=True, people=True),
        group.GROUP: Independence(images=images_held_out, data=held_out, people=False),
    },
    unseen=params.held_out_participants,
)
made_by = tables.provenance(
    settings={**params.procedure, "evaluated_on": params.evaluated_on},
    inputs=tables.by_folder([inputs.clip, inputs.behavior, inputs.group, *inputs.training_half, *inputs.test_half]),
)
for kind, frame in found.items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), **made_by)
