"""Tell how models unfold in time: whether their geometry lasts as the brain's does, which dimensions are active."""

from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import dimensions, generalisation
from cliphba.evaluate.findings import Compared, Procedure
from cliphba.tables import LazyRDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
compared = Compared(params.images_held_out, **params.compared)
shown = tables.recorded(tables.read(inputs.stimuli, "stimuli"), compared.split)
models = {Path(path).stem: tables.read_embedding(path).of(shown) for path in [inputs.group, *inputs.personal]}
procedure = Procedure(**params.procedure)


def measured(paths: list[str]) -> dict[str, LazyRDMs]:
    """RDMs of the images that models and brains are compared on, for each participant."""
    return tables.by_participant(tables.open_rdms(path).of(shown) for path in paths)


measurement, other_half = measured(inputs.measured), measured(inputs.other_half) or None
times_ms = next(iter(measurement.values())).times_ms
found = generalisation.evaluate(
    models["group"].series(shown).at(times_ms), measurement, other_half, procedure, independence=compared.of_trained
)
courses = dimensions.courses(models, resamples=procedure.resamples, seed=procedure.seed)
found["dimension_course"] = courses.assign(**compared.of_trained.columns())
made_by = tables.provenance(
    settings={**params.procedure, **params.compared},
    inputs=tables.by_folder([inputs.group, *inputs.personal, *inputs.measured, *inputs.other_half]),
)
for kind, frame in compared.stated(found).items():
    tables.write(frame, snakemake.output[kind], kind, images=len(shown), participants=len(measurement), **made_by)
