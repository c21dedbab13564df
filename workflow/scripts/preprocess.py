"""Turn the raw recordings of one participant into epochs, one file a part."""

from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from cliphba import progress, tables
from cliphba.compute import give_way
from cliphba.config import Preprocessing, TimeGrid
from cliphba.meg import bids, rejection
from cliphba.meg.participant import preprocess_participant
from cliphba.sources import BIDSRecordings

progress.log_to(snakemake.log[0])
# pre-training takes longer than all recordings
give_way()
params, participant = snakemake.params, snakemake.wildcards.participant
known = BIDSRecordings.model_validate(params.recordings)

# of real recordings only, for which libraries that draw are worth their while
page = snakemake.output.get("page")
if page is not None:
    from cliphba.figures import participant_page
preprocessing = Preprocessing.model_validate(params.preprocessing)
parts = preprocess_participant(
    [bids.open_recording(path, known.events) for path in bids.find_recordings(known, participant)],
    preprocessing,
    TimeGrid.model_validate(params.grid),
    participant=participant,
    datatype=known.datatype,
    parts=known.parts,
    parts_of=known.halves_of,
    seed=params.seed,
    with_spectra=page is not None,
)
counts, summaries = [], []
# matrices of sensors are small: threads would wait for each other longer than they work, and round otherwise
with threadpool_limits(1):
    steps = zip(parts, snakemake.output.epochs, strict=True)
    for part, target in progress.track(steps, "preprocessing", unit="part", total=len(known.parts)):
        part.epochs.save(target, overwrite=True, verbose="error")
        counts.append(rejection.count(part.trials, participant))
        if page is not None:
            summaries.append(participant_page.summarise(part, participant))

# where the data set lies is nobody's business
settings = {
    "recordings": known.model_dump(
        mode="json", include={"datatype", "task", "sessions", "runs", "events"}, exclude={"events": {"names"}}
    ),
    "preprocessing": params.preprocessing,
    "grid": params.grid,
    "seed": params.seed,
}
table = pd.concat(counts, ignore_index=True)
files = {Path(path).name: Path(path) for path in snakemake.input.get("names", [])}
tables.write(table, snakemake.output.trials, "trials", **tables.provenance(settings=settings, inputs=files))
if page is not None:
    participant_page.save(participant_page.make(participant, summaries, preprocessing), page)
