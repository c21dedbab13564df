"""Set group models that have not seen a participant against those that have, and against models of nobody."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import held_out_participants
from cliphba.evaluate.findings import Compared, Procedure

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params

test = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test")
found = [tables.read_rdms(path, of=test) for path in inputs.rdms]
measurement = tables.by_participant(found)
paths = {Path(path).stem: path for path in inputs.models} | dict(zip(measurement, inputs.held_out, strict=True))
models = {name: tables.read_embedding(path).rdms(test).at(found[0].times_ms) for name, path in paths.items()}

procedure = Procedure(**params.procedure)
compared = Compared(params.images_held_out, "held_out", **params.data)
table = held_out_participants.compare(
    models,
    measurement,
    procedure,
    group_participants=params.group_participants,
    images_held_out=params.images_held_out,
)
sources = [*inputs.models, *inputs.held_out, *inputs.rdms]
made_by = tables.provenance(
    settings={**params.procedure, **params.data},
    inputs={"/".join(Path(path).parts[2:]): Path(path) for path in sources},
)
stated = compared.stated({"held_out_participants": table})
for kind, frame in stated.items():
    tables.write(frame, snakemake.output[0], kind, **made_by)
