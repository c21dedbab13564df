"""Draw the study's pictures and what people say of them."""

from pathlib import Path

import numpy as np
import pandas as pd

from cliphba import progress, tables
from cliphba.compute import available_threads
from cliphba.simulate import captions, factors, judgements, pictures, stimuli

progress.log_to(snakemake.log[0])
simulation, seeds = snakemake.params.simulation, snakemake.params.seeds
made_by = tables.provenance(settings={"simulation": simulation, "seeds": seeds}, inputs={})

plan = stimuli.plan_stimuli(
    training=simulation["training_images"],
    validation=simulation["validation_images"],
    test=simulation["test_images"],
    behavior=simulation["behavior_images"],
)
drawn = factors.draw_factors(count=len(plan), seed=seeds["factors"])
drawn.index = pd.Index(plan["stimulus"], name="stimulus")

values = drawn.to_dict("records")
folder = Path(snakemake.output.images)
folder.mkdir(parents=True)
paths = [folder / f"{stimulus}.png" for stimulus in plan["stimulus"]]
pictures.render_pictures(
    values,
    paths,
    size_pixels=simulation["picture_size"],
    seed=seeds["pictures"],
    workers=available_threads(snakemake.threads),
)
describe = np.random.default_rng(seeds["captions"])
plan = plan.assign(
    concept=plan["stimulus"],
    path=[str(path) for path in paths],
    sha256=[tables.digest(path) for path in paths],
    caption=[captions.describe_picture(row, generator=describe) for row in values],
)

measured = judgements.measured_embedding(drawn, noise=simulation["embedding_noise"], seed=seeds["embedding"])
test = plan.loc[plan["split"] == "test", "stimulus"].to_numpy()
triplets = judgements.judge_triplets(
    judgements.perceived_embedding(drawn).loc[test],
    repetitions=simulation["judgement_repetitions"],
    temperature=1,
    judges=simulation["judges"],
    seed=seeds["judgements"],
)
triplets = triplets.assign(
    **{column: test[triplets[column]] for column in ("first", "second", "odd")},
    participant=[f"judge-{number + 1:02d}" for number in triplets["participant"]],
)
named = [factor for factor in factors.FACTORS if factor.prompt is not None]
dimensions = pd.DataFrame(
    [(factor.name, factor.prompt, factor.prompt) for factor in named], columns=["dimension", "label", "prompt"]
)


def tidy(wide: pd.DataFrame, column: str) -> pd.DataFrame:
    """Turn stimuli x columns into one row each."""
    return wide.rename_axis("stimulus").reset_index().melt("stimulus", var_name=column)


tables.write(plan, snakemake.output.stimuli, "stimuli", **made_by)
tables.write(tidy(drawn, "factor"), snakemake.output.factors, "factors", **made_by)
tables.write(dimensions, snakemake.output.dimensions, "dimensions", **made_by)
tables.write(tidy(measured, "dimension"), snakemake.output.embedding, "behavior_embedding", **made_by)
tables.write(triplets, snakemake.output.triplets, "triplets", **made_by)
