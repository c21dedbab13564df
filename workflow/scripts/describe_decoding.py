"""Tabulate RDMs of training pictures over time: means and reliability of each participant, curves of the group."""

from pathlib import Path

import numpy as np
import pandas as pd

from cliphba import progress, tables
from cliphba.evaluate.findings import Compared, Independence
from cliphba.meg.curves import temporal_curves
from cliphba.meg.reliability import split_half_reliability

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
compared = Compared(images_held_out=False, evaluated_on="training", **params.data)
# most often shown equally often: with unequal numbers of trials, guessing the more frequent one is better than chance
alike = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "train")
measured = [tables.read_rdms(path, of=alike) for path in inputs.rdms]
# decoders are tested on sessions they were not trained on; halves of the sessions are compared with each other
independence = Independence(images=False, data=True, people=False).columns()
table = pd.concat(
    [
        pd.DataFrame(
            {
                "participant": rdms.metadata["participant"],
                "half": rdms.metadata["half"],
                "time_ms": rdms.times_ms,
                "quantity": rdms.metadata["quantity"],
                "value": rdms.values.mean(axis=1).astype(float),
                "chance": rdms.metadata["chance"],
                **independence,
            }
        )
        for rdms in measured
    ],
    ignore_index=True,
)
made_by = tables.provenance(settings=params.data, inputs={Path(path).stem: Path(path) for path in inputs.rdms})
found = compared.stated({"decoding": table})
tables.write(found["decoding"], snakemake.output.decoding, "decoding", images=len(alike), **made_by)

# the training half, and the other one, if there is one
training_half, *test_half = (
    tables.by_participant(rdms for rdms in measured if rdms.metadata["half"] == half) for half in params.halves
)
for other_half in test_half:
    reliability = []
    for participant, rdms in training_half.items():
        agreement = split_half_reliability(rdms.values, other_half[participant].values, method="spearman")
        reliability.append(
            pd.DataFrame(agreement._asdict()).assign(participant=participant, time_ms=rdms.times_ms, **independence)
        )
    tables.write(pd.concat(reliability, ignore_index=True), snakemake.output.reliability, "reliability", **made_by)

# those that the group model is given: of the training half of its participants
stacked = np.stack([training_half[name].values for name in params.group_participants])
curves = temporal_curves(stacked, measured[0].times_ms)
tables.write(curves, snakemake.output.curves, "curves", **made_by)
