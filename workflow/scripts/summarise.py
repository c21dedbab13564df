"""Put everything that is claimed into one table."""

from pathlib import Path

import pandas as pd

from cliphba import progress, tables

progress.log_to(snakemake.log[0])
parts = [tables.read(path, "summary") for path in snakemake.input]
tables.write(
    pd.concat(parts, ignore_index=True),
    snakemake.output[0],
    "summary",
    parts={Path(path).stem: part.attrs for path, part in zip(snakemake.input, parts, strict=True)},
)
