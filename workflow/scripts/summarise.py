"""Put everything that is claimed into one table."""

import pandas as pd

from cliphba import progress, tables

progress.log_to(snakemake.log[0])
kind = snakemake.params.kind
parts = [tables.read(path, kind) for path in snakemake.input]
# what the parts were made from, not the parts
inputs = {name: digest for part in parts for name, digest in part.attrs["inputs"].items()}
tables.write(
    pd.concat(parts, ignore_index=True),
    snakemake.output[0],
    kind,
    **tables.provenance(settings=snakemake.params.settings, inputs=inputs),
)
