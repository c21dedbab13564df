"""Simulate the raw MEG of one participant, session by session, and write it as BIDS."""

from pathlib import Path

from threadpoolctl import threadpool_limits

from cliphba import progress, tables
from cliphba.compute import available_threads, give_way
from cliphba.simulate import recordings

progress.log_to(snakemake.log[0])
# pre-training takes longer than all recordings
give_way()
params = snakemake.params
participant = snakemake.wildcards.participant

stimuli = tables.read(snakemake.input.stimuli, "stimuli")
# the data set's folder: above participant, session and data type
root = Path(snakemake.output[0]).parents[3]
recorded = stimuli[stimuli["image_set"] == "recorded"].set_index("stimulus")
trials = recorded["split"].eq("train").map({True: params.training_trials, False: params.held_out_trials})
factors = tables.read(snakemake.input.factors, "factors").pivot(index="stimulus", columns="factor", values="value")
truth = tables.read(snakemake.input.truth, "truth")

with threadpool_limits(available_threads(snakemake.threads)):
    for number, _ in enumerate(progress.track(params.sessions, "recording", unit="session"), start=1):
        raw, events = recordings.simulate_session(
            factors.loc[recorded.index],
            truth[truth["participant"] == participant],
            session=number,
            seed=params.seed,
            sensors=params.sensors,
            sampling_rate_hz=params.sampling_rate_hz,
            trials=trials,
            signal=params.signal,
        )
        recordings.write_session(raw, events, root=root, participant=participant, session=number)
