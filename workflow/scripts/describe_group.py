"""Tabulate what the group model knows of time: weights of the vision blocks before and after training, and curves."""

from pathlib import Path

import pandas as pd
import torch

from cliphba import progress, tables
from cliphba.models.checkpoint import read_checkpoint
from cliphba.train.target import reweighting_table

progress.log_to(snakemake.log[0])
initial = tables.read(snakemake.input.initial, "reweighting")
group = read_checkpoint(Path(snakemake.input.group)).dynamic
with torch.no_grad():
    learnt = reweighting_table("group", group.curves.times_ms, group.head().weights().numpy())
made_by = tables.provenance(settings={}, inputs={name: Path(snakemake.input[name]) for name in ("initial", "group")})
curves = pd.DataFrame({name: values.double().numpy() for name, values in vars(group.curves).items()})
tables.write(pd.concat([initial, learnt], ignore_index=True), snakemake.output.reweighting, "reweighting", **made_by)
tables.write(curves.rename(columns={"times_ms": "time_ms"}), snakemake.output.curves, "curves", **made_by)
