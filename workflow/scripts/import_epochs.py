"""Bring the epochs of one participant into the study's parts and onto its grid, one file a part."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.collect.epochs import list_trials, open_epochs, read_parts
from cliphba.config import TimeGrid
from cliphba.meg import rejection
from cliphba.meg.channels import choose_channels
from cliphba.sources import EpochsRecordings

progress.log_to(snakemake.log[0])
params, participant = snakemake.params, snakemake.wildcards.participant
recordings = EpochsRecordings.model_validate(params.recordings)
stimuli = tables.read(snakemake.input.stimuli, "stimuli")

files = [open_epochs(path) for path in recordings.paths(participant)]
trials = list_trials(
    [epochs.metadata for epochs in files],
    recordings,
    list(stimuli.loc[stimuli["image_set"] == "recorded", "stimulus"]),
    next(map(tables.read_names, map(Path, snakemake.input.names)), None),
)
parts = read_parts(
    files,
    trials,
    choose_channels(files, datatype=recordings.datatype, interpolate=False),
    TimeGrid.model_validate(params.grid),
    recordings.parts,
)
steps = zip(parts, snakemake.output.epochs, strict=True)
for epochs, target in progress.track(steps, "importing", unit="part", total=len(recordings.parts)):
    epochs.save(target, overwrite=True, verbose="error")

# where the files lie is nobody's business
known = recordings.model_dump(
    mode="json", include={"datatype", "sessions", "session_column", "events"}, exclude={"events": {"names"}}
)
files = {Path(path).name: Path(path) for path in [*snakemake.input.names, snakemake.input.stimuli]}
made_by = tables.provenance(settings={"recordings": known, "grid": params.grid}, inputs=files)
kept = rejection.count(trials.assign(outcome=rejection.KEPT), participant)
tables.write(kept, snakemake.output.trials, "trials", **made_by)
