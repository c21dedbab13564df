"""Write the most telling numbers out as a page, which also stands at the beginning of the report."""

from pathlib import Path

from cliphba import progress, readable, tables

progress.log_to(snakemake.log[0])
summary = tables.read(snakemake.input[0], "summary")
tables.write_atomically(Path(snakemake.output[0]), readable.headlines(summary).encode())
