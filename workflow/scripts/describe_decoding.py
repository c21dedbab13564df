"""Tabulate the RDMs of training pictures over time: accuracy of each participant, curves of the group."""

from pathlib import Path

import numpy as np
import pandas as pd

from cliphba import progress, tables
from cliphba.meg.curves import temporal_curves

progress.log_to(snakemake.log[0])
stimuli = tables.read(snakemake.input.stimuli, "stimuli")
# pictures shown equally often: with unequal numbers of trials, guessing the more frequent one is better than chance
alike = list(stimuli.loc[(stimuli["image_set"] == "recorded") & (stimuli["split"] == "train"), "stimulus"])
measured = [tables.read_rdms(path).of(alike) for path in snakemake.input.rdms]
table = pd.concat(
    [
        pd.DataFrame(
            {
                "participant": rdms.metadata["participant"],
                "half": rdms.metadata["half"],
                "time_ms": rdms.times_ms,
                "accuracy": rdms.values.mean(axis=1).astype(float),
            }
        )
        for rdms in measured
    ],
    ignore_index=True,
)
made_by = tables.provenance(settings={}, inputs={Path(path).stem: Path(path) for path in snakemake.input.rdms})
tables.write(table, snakemake.output.decoding, "decoding", **made_by)
# those that the models are given: of the training half
training_half = [rdms for rdms in measured if rdms.metadata["half"] == "train"]
curves = temporal_curves(np.stack([rdms.values for rdms in training_half]), training_half[0].times_ms)
tables.write(curves, snakemake.output.curves, "curves", **made_by)
