"""Bring what people judged of a real study's pictures into the study's tables."""

from pydantic import TypeAdapter

from cliphba import progress, tables
from cliphba.collect import judgements
from cliphba.sources import Behavior

progress.log_to(snakemake.log[0])
inputs, output = snakemake.input, snakemake.output
stimuli = tables.read(inputs.stimuli, "stimuli")
behavior = TypeAdapter(Behavior).validate_python(snakemake.params.behavior)
told = judgements.read_judgements(behavior)

# all before any is written: one that is wrong leaves nothing half done
found = {}
if "embedding" in output.keys():  # noqa: SIM118
    found["dimensions"] = ("dimensions", told.dimensions)
    found["embedding"] = ("behavior_embedding", judgements.embedding_of(told.embedding, stimuli))
if "triplets" in output.keys():  # noqa: SIM118
    found["triplets"] = ("triplets", judgements.triplets_of(told.triplets, stimuli))
if "human_rdm" in output.keys():  # noqa: SIM118
    found["human_rdm"] = ("behavior_rdm", judgements.pairs_of(told.pairs, stimuli))
# where the files lie is nobody's business
made_by = tables.provenance(
    settings={"kind": behavior.kind},
    inputs=tables.by_folder([*inputs.files, inputs.stimuli]),
)
for name, (kind, frame) in found.items():
    tables.write(frame, output[name], kind, **made_by)
