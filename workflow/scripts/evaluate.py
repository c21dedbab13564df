"""Compare every model with people: judgements, group MEG, each person's MEG."""

from pathlib import Path

import numpy as np
import pandas as pd

from cliphba import behavior as judgements
from cliphba import progress, tables
from cliphba.evaluate import alignment, behavior, personal, summary
from cliphba.tables import RDMs

progress.log_to(snakemake.log[0])
params, output = snakemake.params, snakemake.output

stimuli = tables.read(snakemake.input.stimuli, "stimuli")
recorded = stimuli[stimuli["image_set"] == "recorded"]
test, training = (list(recorded.loc[recorded["split"] == split, "stimulus"]) for split in ("test", "train"))
held_out = params.evaluated_on == "held_out"
shown = test if held_out else training


def measured(paths: list[str]) -> dict[str, RDMs]:
    """RDMs of the images that models and brains are compared on, for each participant."""
    found = [tables.read_rdms(path) for path in paths]
    return {rdms.metadata["participant"]: rdms.of(shown) for rdms in found}


halves = measured(snakemake.input.test_half), measured(snakemake.input.training_half)
measurement, other_half = halves if held_out else halves[::-1]
times_ms = next(iter(measurement.values())).times_ms
embeddings = {Path(path).stem: tables.read_embedding(path) for path in snakemake.input.embeddings}
models = {name: embedding.rdms(shown).at(times_ms) for name, embedding in embeddings.items()}

judged = judgements.triplet_dissimilarity(tables.read(snakemake.input.triplets, "triplets"), test)
human = RDMs(np.array([np.nan]), judged[None].astype(np.float32), tuple(test))
target = tables.read(snakemake.input.embedding, "behavior_embedding").pivot(
    index="stimulus", columns="dimension", values="value"
)
ceiling = tables.Embedding(np.array([np.nan]), target.loc[test].to_numpy()[None], tuple(test)).rdms(test)
static = {name: embeddings[name].rdms(test) for name in ("clip", "behavior")}

resampling = {"resamples": params.resamples, "seed": params.seed}
found = summary.Evaluation(
    behavior=behavior.agree({**static, "ceiling": ceiling}, human, **resampling),
    models=alignment.measure(models, measurement, **resampling),
    ceilings=alignment.noise_ceiling(measurement, **resampling),
    halves=alignment.measure(other_half, measurement, **resampling),
)
identification = pd.concat(
    [
        personal.table(personal.similarity(aligned).value, aligned.participants, source=source)
        for source, aligned in (("personal", found.models), ("model-free", found.halves))
    ],
    ignore_index=True,
)
made_by = tables.provenance(
    settings={**resampling, "evaluated_on": params.evaluated_on},
    inputs={
        "/".join(Path(path).parts[-2:]): Path(path)
        for path in [
            *snakemake.input.embeddings,
            *snakemake.input.training_half,
            *snakemake.input.test_half,
            snakemake.input.triplets,
        ]
    },
)
tables.write(summary.assemble(found, seed=params.seed, held_out=held_out), output.summary, "summary", **made_by)
tables.write(alignment.curves(found.models), output.alignment, "alignment", **made_by)
tables.write(alignment.ceiling(found.ceilings), output.ceiling, "ceiling", **made_by)
tables.write(behavior.table({"human": human, **static}), output.behavior, "behavior_rdm", **made_by)
tables.write(identification, output.identification, "identification", **made_by)
