"""Compare every model with human judgements of test images."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import judges
from cliphba.evaluate.findings import Procedure

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
test = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test")
kinds = {**judges.KINDS, "embedding": "behavior_embedding"}
# what a study has of these
told = {name: path for name, path in inputs.items() if name in kinds}
known = {name: tables.read(path, kinds[name]) for name, path in told.items()}
if "embedding" in known:
    known["embedding"] = known["embedding"].pivot(index="stimulus", columns="dimension", values="value")
judged = judges.Judged.among(test, **known)
found = judges.evaluate(
    {Path(path).stem: tables.read_embedding(path).rdms(judged.stimuli) for path in inputs.embeddings},
    judged,
    Procedure(**params.procedure),
    images_held_out=params.images_held_out,
)
made_by = tables.provenance(
    settings=params.procedure,
    inputs=tables.by_folder([*inputs.embeddings, *told.values()]),
)
for kind, frame in found.items():
    tables.write(frame, snakemake.output[kind], kind, images=len(judged.stimuli), **made_by)
