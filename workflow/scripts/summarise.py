"""Put everything that is claimed into one table."""

import pandas as pd

from cliphba import progress, tables

progress.log_to(snakemake.log[0])
parts = [tables.read(path, "summary") for path in snakemake.input]
# what the parts were made from, not the parts
inputs = {name: digest for part in parts for name, digest in part.attrs["inputs"].items()}
tables.write(
    pd.concat(parts, ignore_index=True),
    snakemake.output[0],
    "summary",
    **tables.provenance(settings=snakemake.params.procedure, inputs=inputs),
)
