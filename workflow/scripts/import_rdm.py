"""Bring the published RDMs of one participant into the study's order and onto its grid."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.collect.rdms import open_published
from cliphba.config import TimeGrid
from cliphba.sources import RDMFile

progress.log_to(snakemake.log[0])
inputs, params, participant = snakemake.input, snakemake.params, snakemake.wildcards.participant
known = RDMFile.model_validate(params.rdms)
stimuli = tables.read(inputs.stimuli, "stimuli")

series = open_published(
    Path(inputs.file),
    known,
    position=known.position(params.participants, participant),
    stimuli=stimuli[stimuli["image_set"] == "recorded"],
    grid_ms=TimeGrid.model_validate(params.grid).times_ms,
    order=next(map(tables.read_names, map(Path, inputs.order)), None),
)
# where the files lie is nobody's business
settings = {"rdms": known.model_dump(mode="json", exclude={"file", "stimuli"}), "grid": params.grid}
files = tables.by_folder([inputs.file, *inputs.order, inputs.stimuli])
rows = map(series.row, range(len(series.times_ms)))
tables.write_rdm_rows(
    progress.track(rows, f"reading {participant}", unit="time point", total=len(series.times_ms)),
    snakemake.output[0],
    times_ms=series.times_ms,
    stimuli=series.stimuli,
    quantity=known.quantity,
    chance=known.chance,
    participant=participant,
    half="all",
    **series.metadata,
    **tables.provenance(settings=settings, inputs=files),
)
