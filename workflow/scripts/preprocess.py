"""Turn the raw recordings of one participant into epochs, one file a session."""

from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from cliphba import progress, tables
from cliphba.compute import available_threads, give_way
from cliphba.config import Preprocessing, TimeGrid
from cliphba.meg import preprocess

progress.log_to(snakemake.log[0])
# pre-training takes longer than all recordings
give_way()
params, participant = snakemake.params, snakemake.wildcards.participant
settings, grid = Preprocessing.model_validate(params.preprocessing), TimeGrid.model_validate(params.grid)

# the data set's folder: above participant, session and data type
root = Path(snakemake.input.raw[0]).parents[3]
trials = []
with threadpool_limits(available_threads(snakemake.threads)):
    steps = zip(params.sessions, snakemake.output.epochs, strict=True)
    for session, target in progress.track(steps, "preprocessing", unit="session", total=len(params.sessions)):
        raw, events = preprocess.read_recording(
            root=root, participant=participant, session=session.removeprefix("ses-"), task="pictures"
        )
        epochs = preprocess.preprocess(
            raw,
            events,
            session=session,
            band_hz=(settings.high_pass_hz, settings.low_pass_hz),
            notch_hz=settings.line_hz,
            epoch_ms=(grid.start_ms, grid.stop_ms),
            baseline_ms=(grid.start_ms, 0),
            step_ms=grid.step_ms,
            rejection=settings.rejection_deviations,
        )
        epochs.save(target, overwrite=True, verbose="error")
        trials.append((participant, session, len(events), len(epochs)))

table = pd.DataFrame(trials, columns=["participant", "session", "recorded", "kept"])
made_by = tables.provenance(settings={"preprocessing": params.preprocessing, "grid": params.grid}, inputs={})
tables.write(table, snakemake.output.trials, "trials", **made_by)
