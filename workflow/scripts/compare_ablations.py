"""Compare ablations with the study as it is configured, on held-out images and sessions."""

from pathlib import Path

import numpy as np

from cliphba import behavior as judgements
from cliphba import progress, tables
from cliphba.evaluate import ablation, alignment, behavior
from cliphba.tables import RDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params

stimuli = tables.read(inputs.stimuli, "stimuli")
test = list(stimuli.loc[(stimuli["image_set"] == "recorded") & (stimuli["split"] == "test"), "stimulus"])
found = [tables.read_rdms(path) for path in inputs.rdms]
measurement = {rdms.metadata["participant"]: rdms.of(test) for rdms in found}
times_ms = found[0].times_ms
judged = judgements.triplet_dissimilarity(tables.read(inputs.triplets, "triplets"), test)
human = RDMs(np.array([np.nan]), judged[None].astype(np.float32), tuple(test))
resampling = {"resamples": params.resamples, "seed": params.seed}


def measure(paths: list[str]) -> ablation.Measured:
    """Evaluate the models of one way of running the method from their embeddings."""
    models = {Path(path).stem: tables.read_embedding(path).rdms(test) for path in paths}
    agreement = behavior.agree({"behavior": models.pop("behavior")}, human, **resampling)["behavior"]
    laid = {name: rdms.at(times_ms) for name, rdms in models.items()}
    return ablation.Measured(agreement, alignment.measure(laid, measurement, **resampling))


reference = measure(inputs.reference)
variants = {
    name: measure(list(inputs[name])) for name in progress.track(params.variants, "ablations", unit="variant")
}
tables.write(
    ablation.compare(reference, variants),
    snakemake.output[0],
    "ablation",
    **tables.provenance(
        settings=resampling,
        inputs={
            "/".join(Path(path).parts[2:]): Path(path)
            for path in [*inputs.reference, *(path for name in params.variants for path in inputs[name])]
        },
    ),
)
