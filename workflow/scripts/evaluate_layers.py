"""Compare every block of the vision towers with everybody's MEG."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import layers
from cliphba.evaluate.findings import Independence, Procedure
from cliphba.evaluate.group import CLIP, GROUP

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
held_out = params.evaluated_on == "held_out"
tokens = {Path(path).stem: tables.read_class_tokens(path) for path in inputs.towers}
shown = next(iter(tokens.values())).stimuli
measured = tables.by_participant(tables.open_rdms(path).of(shown) for path in inputs.measured)
found = layers.evaluate(
    {model: one.rdms() for model, one in tokens.items()},
    measured,
    Procedure(**params.procedure),
    independence={
        CLIP: Independence(images=True, data=True, people=True),
        GROUP: Independence(images=held_out and params.images_held_out, data=held_out, people=False),
    },
)
made_by = tables.provenance(
    settings={**params.procedure, "evaluated_on": params.evaluated_on},
    inputs=tables.by_folder([*inputs.towers, *inputs.measured]),
)
for kind, frame in found.items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), **made_by)
