"""Decode every pair of stimuli at every time from a participant's sessions: of one half, its first few, or all."""

import shutil
from pathlib import Path

import pandas as pd

from cliphba import progress, tables
from cliphba.compute import available_threads, give_way
from cliphba.config import Decoding
from cliphba.meg import engine, read, stream
from cliphba.meg.events import restrict_trials
from cliphba.meg.parts import Parts, file_states
from cliphba.scratch import folder_for, place_for

progress.log_to(snakemake.log[0])
# pre-training takes longer than all recordings
give_way()
params, participant = snakemake.params, snakemake.wildcards.participant
# people who saw an external set have no halves
half = snakemake.wildcards.get("half", "all")

sessions = read.open_sessions(snakemake.input.epochs)
stimuli = tables.read(snakemake.input.stimuli, "stimuli")
shown = tuple(stimuli.loc[stimuli["image_set"] == "recorded", "stimulus"])
decoding = Decoding.model_validate(params.decoding)
if "-" in half and decoding.folds == "session":
    # in few sessions rejected trials tell; any two stimuli left share a session and have three trials outside of it
    counts = sessions.trials.groupby(["stimulus", "session"]).size().unstack(fill_value=0)
    enough = counts.index[counts.gt(0).all(axis=1) & (counts.sum(axis=1) >= 3)]
    shown = tuple(stimulus for stimulus in shown if stimulus in enough)
if len(restrict_trials(sessions.trials, shown)) < len(sessions.trials):
    sessions = read.gather_sessions([epochs[epochs.metadata["stimulus"].isin(shown)] for epochs in sessions.epochs])
rdm = engine.prepare(
    pd.Index(shown).get_indexer(pd.Index(sessions.trials["stimulus"])),
    pd.factorize(sessions.trials["session"])[0],
    decoding,
    seed=params.seed,
    threads=available_threads(snakemake.threads),
)
files = {Path(path).name: Path(path) for path in snakemake.input.epochs}
settings = {"decoding": params.decoding, "seed": params.seed}
scratch = place_for(params.scratch)
work = {"files": file_states(files), "stimuli": shown, **tables.provenance(settings=settings, inputs={})}
parts = Parts(folder_for(scratch, work))
stream.compute_parts(sessions, rdm, parts, label=f"decoding {participant}")
tables.write_rdm_rows(
    parts.load(len(sessions.times_ms)),
    snakemake.output[0],
    times_ms=sessions.times_ms,
    stimuli=shown,
    quantity=decoding.quantity,
    chance=decoding.chance,
    participant=participant,
    half=half,
    sessions=list(sessions.trials["session"].unique()),
    **tables.provenance(settings=settings, inputs={"epochs": stream.content_digest(sessions)}),
)
shutil.rmtree(scratch)
