"""Decode every pair of stimuli at every time from one half of a participant's sessions."""

import mne
import pandas as pd

from cliphba import progress, tables
from cliphba.compute import available_threads
from cliphba.meg import decode, read

progress.log_to(snakemake.log[0])
decoding = snakemake.params.decoding

sessions = [mne.read_epochs(path, verbose="error") for path in snakemake.input.epochs]
patterns, trials, times_ms = read.gather_patterns(sessions)

stimuli = tables.read(snakemake.input.stimuli, "stimuli")
shown = tuple(stimuli.loc[stimuli["image_set"] == "recorded", "stimulus"])
accuracy = decode.decode_rdm(
    patterns,
    stimulus=pd.Index(shown).get_indexer(pd.Index(trials["stimulus"])),
    session=pd.factorize(trials["session"])[0],
    shrinkage=decoding["shrinkage"],
    threads=available_threads(snakemake.threads),
    label=f"decoding {snakemake.wildcards.participant}",
)
tables.write_rdms(
    tables.RDMs(times_ms, accuracy, shown),
    snakemake.output[0],
    measure="accuracy",
    participant=snakemake.wildcards.participant,
    half=snakemake.wildcards.half,
    sessions=list(trials["session"].unique()),
    **tables.provenance(settings={"decoding": decoding}, inputs={"epochs": patterns}),
)
