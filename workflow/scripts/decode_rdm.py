"""Decode every pair of stimuli at every time from one half of a participant's sessions."""

import mne
import numpy as np
import pandas as pd

from cliphba import progress, tables
from cliphba.meg import decode, preprocess

progress.log_to(snakemake.log[0])
decoding = snakemake.params.decoding

sessions = [mne.read_epochs(path, verbose="error") for path in snakemake.input.epochs]
data = np.concatenate([preprocess.scale_channels(epochs) for epochs in sessions])
metadata = pd.concat([epochs.metadata for epochs in sessions], ignore_index=True)
times_ms = np.round(sessions[0].times * 1000, 3)

stimuli = tables.read(snakemake.input.stimuli, "stimuli")
shown = tuple(stimuli.loc[stimuli["image_set"] == "recorded", "stimulus"])
accuracy = decode.decode_rdm(
    data,
    stimulus=pd.Index(shown).get_indexer(pd.Index(metadata["stimulus"])),
    session=pd.factorize(metadata["session"])[0],
    shrinkage=decoding["shrinkage"],
    threads=snakemake.threads,
    label=f"decoding {snakemake.wildcards.participant}",
)
tables.write_rdms(
    tables.RDMs(times_ms, accuracy, shown),
    snakemake.output[0],
    measure="accuracy",
    participant=snakemake.wildcards.participant,
    half=snakemake.wildcards.half,
    sessions=list(metadata["session"].unique()),
    **tables.provenance(settings={"decoding": decoding}, inputs={"epochs": data}),
)
