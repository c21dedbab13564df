"""Draw one figure from its tables, as SVG and PNG."""

from importlib import import_module
from pathlib import Path

import pandas as pd

from cliphba import progress, tables
from cliphba.figures.catalogue import CATALOGUE
from cliphba.figures.save import save

progress.log_to(snakemake.log[0])
name = snakemake.wildcards.figure


def read(source: str | list[str], kind: str) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Read a table; several are named as their files are, less their kind."""
    if isinstance(source, str):
        return tables.read(source, kind)
    return {Path(path).stem.removesuffix(f"_{kind}"): tables.read(path, kind) for path in source}


shown = {argument: read(snakemake.input[argument], kind) for argument, kind in CATALOGUE[name].tables.items()}
figure = import_module(f"cliphba.figures.{name}").draw(**shown, note=snakemake.params.note)
save(figure, snakemake.output.svg)
save(figure, snakemake.output.png)
