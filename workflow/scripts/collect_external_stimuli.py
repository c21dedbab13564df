"""Find the pictures of an evaluation set."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.collect.splits import hold_out
from cliphba.collect.stimuli import check_pictures, read_stimuli

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params

listed = read_stimuli(Path(inputs.images), *map(Path, inputs.table), pattern=params.pattern)
stimuli = hold_out(listed, params.expected, name=snakemake.wildcards.image_set)
stimuli = stimuli.assign(image_set="recorded", sha256=check_pictures(list(stimuli["path"])))
made_by = tables.provenance(
    settings={"pattern": params.pattern}, inputs={Path(path).name: Path(path) for path in inputs.table}
)
tables.write(stimuli, snakemake.output.stimuli, "stimuli", **made_by)
