"""Draw the captioned pictures that the study's CLIP is pre-trained on."""

from pathlib import Path

import numpy as np
import pandas as pd

from cliphba import progress, tables
from cliphba.compute import available_threads
from cliphba.simulate import captions, factors, pictures

progress.log_to(snakemake.log[0])
params = snakemake.params
count = params.pictures + params.held_out

drawn = factors.draw_factors(count=count, seed=params.seeds["factors"])
values = drawn.to_dict("records")
folder = Path(snakemake.output.images)
folder.mkdir(parents=True)
paths = [folder / f"{number:05d}.png" for number in range(count)]
pictures.render_pictures(
    values,
    paths,
    size_pixels=params.size,
    seed=params.seeds["pictures"],
    workers=available_threads(snakemake.threads),
)
describe = np.random.default_rng(params.seeds["captions"])
table = pd.DataFrame(
    {
        "path": [str(path) for path in paths],
        "caption": [captions.describe_picture(row, generator=describe) for row in values],
        "split": np.where(np.arange(count) < params.pictures, "train", "test"),
    }
)
made_by = tables.provenance(settings={"seeds": params.seeds, "size": params.size}, inputs={})
tables.write(table, snakemake.output.table, "captioned_pictures", **made_by)
