"""Tabulate the mean decoding accuracy over pairs of training pictures, for every participant and half."""

from pathlib import Path

import pandas as pd

from cliphba import progress, tables

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
tables.write(table, snakemake.output[0], "decoding", **made_by)
