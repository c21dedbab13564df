"""Compare how complex images are with everybody's MEG, and the group model with that partialled out."""

from pathlib import Path

import numpy as np

from cliphba import progress, tables
from cliphba.evaluate import complexity
from cliphba.evaluate.findings import Compared, Procedure
from cliphba.pictures import open_picture, reduce_to, shortest_side

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
compared = Compared(params.images_held_out, **params.compared)
stimuli = tables.read(inputs.stimuli, "stimuli")
shown = tables.recorded(stimuli, compared.split)
paths = stimuli.set_index("stimulus").loc[shown, "path"]
# photographs are of any size, but were shown alike: the smallest says how much detail all of them are measured by
side = shortest_side(paths)
decoded = (open_picture(Path(path)) for path in progress.track(list(paths), "complexity", unit="image"))
pictures = (np.asarray(reduce_to(image, side)) for image in decoded)
measured = tables.by_participant(tables.open_rdms(path).of(shown) for path in inputs.measured)
times_ms = next(iter(measured.values())).times_ms
found = complexity.evaluate(
    complexity.describe(pictures, shown),
    tables.read_embedding(inputs.group).series(shown).at(times_ms),
    measured,
    Procedure(**params.procedure),
    independence=compared.of_trained,
)
made_by = tables.provenance(
    settings={**params.procedure, **params.compared},
    inputs=tables.by_folder([inputs.group, inputs.stimuli, *inputs.measured]),
)
for kind, frame in compared.stated(found).items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), **made_by)
