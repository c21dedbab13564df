"""Tabulate the mean pairwise decoding accuracy of every participant and half."""

from pathlib import Path

import pandas as pd

from cliphba import progress, tables

progress.log_to(snakemake.log[0])
measured = [tables.read_rdms(path) for path in snakemake.input.rdms]
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
