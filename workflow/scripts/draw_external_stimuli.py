"""Draw the pictures of an external set, and say what of them can be seen."""

from pathlib import Path

import numpy as np
import pandas as pd

from cliphba import progress, tables
from cliphba.compute import available_threads
from cliphba.simulate import captions, factors, pictures
from cliphba.simulate.renderings import visible_factors

progress.log_to(snakemake.log[0])
params = snakemake.params
settings = {"rendering": params.rendering, "images": params.images, "size": params.size, "seeds": params.seeds}
made_by = tables.provenance(settings=settings, inputs={})

names = pd.Index(
    [f"{snakemake.wildcards.image_set}-{number:04d}" for number in range(1, params.images + 1)], name="stimulus"
)
drawn = factors.draw_factors(count=params.images, seed=params.seeds["factors"]).set_index(names)
visible = visible_factors(drawn, params.rendering)

folder = Path(snakemake.output.images)
folder.mkdir(parents=True)
paths = [folder / f"{stimulus}.png" for stimulus in names]
pictures.render_pictures(
    drawn.to_dict("records"),
    paths,
    size_pixels=params.size,
    seed=params.seeds["pictures"],
    workers=available_threads(snakemake.threads),
    rendering=params.rendering,
)
describe = np.random.default_rng(params.seeds["captions"])
stimuli = pd.DataFrame(
    {
        "stimulus": names,
        "concept": names,
        "image_set": "recorded",
        "split": "test",
        "path": [str(path) for path in paths],
        "sha256": [tables.digest(path) for path in paths],
        "caption": [captions.describe_picture(row, generator=describe) for row in visible.to_dict("records")],
    }
)
tables.write(stimuli, snakemake.output.stimuli, "stimuli", **made_by)
for target, wide in ((snakemake.output.factors, drawn), (snakemake.output.visible, visible)):
    tidy = wide.reset_index().melt("stimulus", var_name="factor")
    tables.write(tidy, target, "factors", **made_by)
