"""Compare every block of the vision towers with everybody's MEG."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import layers
from cliphba.evaluate.findings import UNTRAINED, Compared, Procedure
from cliphba.evaluate.group import CLIP, GROUP

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
compared = Compared(params.images_held_out, **params.compared)
tokens = {Path(path).stem: tables.read_class_tokens(path) for path in inputs.towers}
shown = next(iter(tokens.values())).stimuli
measured = tables.by_participant(tables.open_rdms(path).of(shown) for path in inputs.measured)
found = layers.evaluate(
    {model: one.rdms() for model, one in tokens.items()},
    measured,
    Procedure(**params.procedure),
    independence={
        CLIP: UNTRAINED,
        GROUP: compared.of_trained,
    },
)
made_by = tables.provenance(
    settings={**params.procedure, **params.compared},
    inputs=tables.by_folder([*inputs.towers, *inputs.measured]),
)
for kind, frame in compared.stated(found).items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), **made_by)
