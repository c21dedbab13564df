"""Tell how models unfold in time: whether their geometry lasts as the brain's does, which dimensions are active."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import dimensions, generalisation
from cliphba.evaluate.findings import Independence, Procedure
from cliphba.tables import LazyRDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
held_out = params.evaluated_on == "held_out"
shown = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test" if held_out else "train")
models = {Path(path).stem: tables.read_embedding(path).of(shown) for path in [inputs.group, *inputs.personal]}
trained = Independence(images=held_out and params.images_held_out, data=held_out, people=False)
procedure = Procedure(**params.procedure)


def measured(paths: list[str]) -> dict[str, LazyRDMs]:
    """RDMs of the images that models and brains are compared on, for each participant."""
    return tables.by_participant(tables.open_rdms(path).of(shown) for path in paths)


halves = measured(inputs.test_half), measured(inputs.training_half)
measurement, other_half = halves if held_out else halves[::-1]
times_ms = next(iter(measurement.values())).times_ms
found = generalisation.evaluate(
    models["group"].series(shown).at(times_ms), measurement, other_half, procedure, independence=trained
)
courses = dimensions.courses(models, resamples=procedure.resamples, seed=procedure.seed)
found["dimension_course"] = courses.assign(**trained.columns())
made_by = tables.provenance(
    settings={**params.procedure, "evaluated_on": params.evaluated_on},
    inputs=tables.by_folder([inputs.group, *inputs.personal, *inputs.training_half, *inputs.test_half]),
)
for kind, frame in found.items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), participants=len(measurement), **made_by)
