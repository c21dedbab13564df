"""Draw the people of the study: how strongly and how late each responds to each factor."""

from pathlib import Path

import pandas as pd

from cliphba import progress, tables
from cliphba.simulate import participants, recordings

progress.log_to(snakemake.log[0])
params = snakemake.params
settings = {
    "participants": list(params.participants),
    "gain_sd": params.gain_sd,
    "latency_sd_ms": params.latency_sd_ms,
    "own_anatomy": params.anatomy,
    "seed": params.seed,
}
made_by = tables.provenance(settings=settings, inputs={})

truth = participants.draw_participants(**settings)
sessions = [
    (participant, session, half)
    for participant in params.participants
    for half, names in params.halves.items()
    for session in names
]
tables.write(truth, snakemake.output.truth, "truth", **made_by)
tables.write(
    pd.DataFrame(sessions, columns=["participant", "session", "half"]),
    snakemake.output.recordings,
    "recordings",
    **made_by,
)
recordings.describe_dataset(Path(snakemake.output.description).parent, params.participants)
