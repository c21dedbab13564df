"""Find a real study's pictures, and say which are held out."""

from pathlib import Path

from pydantic import TypeAdapter

from cliphba import progress, tables
from cliphba.collect.judgements import read_judgements
from cliphba.collect.splits import split_stimuli
from cliphba.collect.stimuli import check_pictures, read_stimuli
from cliphba.sources import Behavior, Stimuli

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
settings = Stimuli.model_validate(params.stimuli)

listed = read_stimuli(Path(inputs.images), *map(Path, inputs.table), pattern=settings.pattern)
judged = []
if settings.split == "judged":
    judged = read_judgements(TypeAdapter(Behavior).validate_python(params.behavior)).judged(listed)
stimuli = split_stimuli(listed, settings.split, settings.counts, judged=judged, seed=params.seed)
stimuli = stimuli.assign(image_set="recorded", sha256=check_pictures(list(stimuli["path"])))
# where the files lie is nobody's business
known = settings.model_dump(mode="json", exclude={"images", "table"})
made_by = tables.provenance(
    settings={"stimuli": known, "seed": params.seed},
    inputs=tables.by_folder([*inputs.table, *inputs.judgements]),
)
tables.write(stimuli, snakemake.output[0], "stimuli", **made_by)
