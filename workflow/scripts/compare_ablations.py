"""Compare ablations with the study as it is configured, on held-out images and sessions."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import ablation, alignment, behavior
from cliphba.evaluate.bootstrap import Estimate
from cliphba.evaluate.findings import Procedure
from cliphba.evaluate.judges import KINDS, Judged

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params

test = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test")
found = [tables.read_rdms(path, of=test) for path in inputs.rdms]
measurement = tables.by_participant(found)
times_ms = found[0].times_ms
told = {name: tables.read(path, KINDS[name]) for name, path in inputs.items() if name in KINDS}
judged = Judged.among(test, **told) if told else None
procedure = Procedure(**params.procedure)


def agree(path: str) -> Estimate | None:
    """Give the agreement of a Behavior model with human judgements, if there are any."""
    if judged is None:
        return None
    model = {"behavior": tables.read_embedding(path).rdms(judged.stimuli)}
    return behavior.agree(model, judged.human(), resamples=procedure.resamples, seed=procedure.seed)["behavior"]


def measure(name: str) -> ablation.Measured:
    """Evaluate the models of one way of running the method from their embeddings."""
    paths = {Path(path).stem: path for path in inputs[name]}
    agreement = agree(paths.pop("behavior"))
    models = {model: tables.read_embedding(path).rdms(test).at(times_ms) for model, path in paths.items()}
    found = alignment.measure(models, measurement, **procedure.bootstrap())
    return ablation.Measured(agreement, found, params.images_held_out[name], params.recordings_held_out)


ways = {name: measure(name) for name in progress.track(params.images_held_out, "ablations", unit="variant")}
tables.write(
    ablation.compare(ways.pop("reference"), ways),
    snakemake.output[0],
    "ablation",
    images=len(test),
    participants=len(measurement),
    judges=told["triplets"]["participant"].nunique() if "triplets" in told else 0,
    **tables.provenance(
        settings={**params.procedure, **params.data},
        inputs={
            "/".join(Path(path).parts[2:]): Path(path) for name in params.images_held_out for path in inputs[name]
        },
    ),
)
