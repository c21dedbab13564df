"""Write a main table out for people: as Markdown, and as a page."""

from pathlib import Path

from cliphba import progress, readable, tables

progress.log_to(snakemake.log[0])
table = tables.read(snakemake.input[0], snakemake.wildcards.table)
tables.write_atomically(Path(snakemake.output.markdown), f"{readable.markdown(table, rows='each')}\n".encode())
tables.write_atomically(Path(snakemake.output.page), readable.page(table).encode())
