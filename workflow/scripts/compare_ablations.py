"""Compare ablations with the study as it is configured, on held-out images and sessions."""

from pathlib import Path

from cliphba import behavior as judgements
from cliphba import progress, tables
from cliphba.evaluate import ablation, alignment, behavior
from cliphba.evaluate.findings import Procedure
from cliphba.tables import RDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params

test = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test")
found = [tables.read_rdms(path, of=test) for path in inputs.rdms]
measurement = tables.by_participant(found)
times_ms = found[0].times_ms
triplets = tables.read(inputs.triplets, "triplets")
human = RDMs.static(judgements.triplet_dissimilarity(triplets, test), test)
procedure = Procedure(**params.procedure)


def measure(name: str) -> ablation.Measured:
    """Evaluate the models of one way of running the method from their embeddings."""
    models = {Path(path).stem: tables.read_embedding(path).rdms(test) for path in inputs[name]}
    agreement = behavior.agree(
        {"behavior": models.pop("behavior")}, human, resamples=procedure.resamples, seed=procedure.seed
    )["behavior"]
    laid = {name: rdms.at(times_ms) for name, rdms in models.items()}
    found = alignment.measure(laid, measurement, **procedure.bootstrap())
    return ablation.Measured(agreement, found, params.images_held_out[name])


ways = {name: measure(name) for name in progress.track(params.images_held_out, "ablations", unit="variant")}
tables.write(
    ablation.compare(ways.pop("reference"), ways),
    snakemake.output[0],
    "ablation",
    images=len(test),
    participants=len(measurement),
    judges=triplets["participant"].nunique(),
    **tables.provenance(
        settings=params.procedure,
        inputs={
            "/".join(Path(path).parts[2:]): Path(path) for name in params.images_held_out for path in inputs[name]
        },
    ),
)
