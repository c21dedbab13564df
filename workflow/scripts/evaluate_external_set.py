"""Compare CLIP, Behavior and the group model with the MEG of people whom no model has seen, on an external set."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import group
from cliphba.evaluate.findings import UNTRAINED, Independence, Procedure
from cliphba.pictures import as_png

# Pictures that go with the results.
EXAMPLES = 6

progress.log_to(snakemake.log[0])
inputs, params, image_set = snakemake.input, snakemake.params, snakemake.wildcards.image_set
stimuli = tables.read(inputs.stimuli, "stimuli")
shown = tables.recorded(stimuli, "test")
measured = tables.by_participant(tables.open_rdms(path).of(shown) for path in inputs.rdms)
times_ms = next(iter(measured.values())).times_ms
models = {
    Path(path).stem: tables.read_embedding(path).series(shown).at(times_ms)
    for path in (inputs.clip, inputs.behavior, inputs.group)
}
# nobody of the set is of the study; its pictures may be
seen = [name for path in inputs.trained_on for name in tables.seen_pictures(stimuli, tables.read(path, "stimuli"))]
apart = Independence(images=params.images_known and not seen, data=True, people=True)
found = group.evaluate(
    models,
    measured,
    None,
    Procedure(**params.procedure),
    independence={group.CLIP: UNTRAINED, group.BEHAVIOR: apart, group.GROUP: apart},
)
examples = stimuli.head(EXAMPLES)
found["pictures"] = examples[["stimulus"]].assign(png=[as_png(Path(path)) for path in examples["path"]])
# beside those of other sets
found["external_summary"] = found.pop("summary").assign(image_set=image_set)
made_by = tables.provenance(
    # what is external is held out, whatever the protocol
    settings={**params.procedure, "evaluated_on": "held_out"},
    inputs=tables.by_folder((inputs.clip, inputs.behavior, inputs.group, *inputs.rdms)),
)
for kind, frame in found.items():
    tables.write(frame, snakemake.output[kind], kind, image_set=image_set, images=len(shown), **made_by)
