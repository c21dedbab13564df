"""Set what personal models and recordings say of simulated people against what was put into them."""

from dataclasses import replace
from math import isnan
from pathlib import Path

from cliphba import progress, tables
from cliphba.evaluate import recovery
from cliphba.evaluate.findings import FACTOR_TRUTHS, PEOPLE_AND_IMAGES, PEOPLE_TRUTHS, Finding, Independence, tabulate
from cliphba.tables import RDMs

TESTS = {"factors": FACTOR_TRUTHS}

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
test = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test")
factors = tables.read(inputs.factors, "factors").pivot(index="stimulus", columns="factor", values="value")
truth = tables.read(inputs.truth, "truth")
models = {Path(path).stem: tables.read_embedding(path).series(test) for path in inputs.personal}


def measured(paths: list[str]) -> dict[str, RDMs]:
    """RDMs of test images, for each participant."""
    return tables.by_participant(tables.read_rdms(path, of=test) for path in paths)


training_half, test_half = measured(inputs.training_half), measured(inputs.test_half)
# shifts of a fraction of a sample need all the data there are
whole = {name: replace(one, values=(one.values + test_half[name].values) / 2) for name, one in training_half.items()}

resampling = {"resamples": params.procedure["resamples"], "seed": params.procedure["seed"]}
latencies = recovery.latencies(whole, factors, truth, **resampling)
found = {
    ("gain_recovery", "personal"): recovery.gains(models, factors, truth, **resampling),
    ("gain_recovery", "model-free"): recovery.gains(training_half, factors, truth, **resampling),
    ("latency_recovery", "people"): latencies.people,
    ("latency_recovery", "factors"): latencies.factors,
}
# the truth was in no training; what recordings say directly is about these very images and data
independence = {
    name: Independence(images=name == "personal" and params.images_held_out, data=name == "personal", people=False)
    for _, name in found
}
findings = [
    Finding(
        metric,
        name,
        one.estimate,
        PEOPLE_AND_IMAGES,
        independence[name],
        p=one.p,
        test=None if isnan(one.p) else TESTS.get(name, PEOPLE_TRUTHS),
    )
    for (metric, name), one in found.items()
]
made_by = tables.provenance(
    settings=params.procedure,
    inputs=tables.by_folder([*inputs.personal, inputs.truth, *inputs.training_half, *inputs.test_half]),
)
summary = tabulate(findings, images=len(test), people=len(models))
tables.write(summary, snakemake.output[0], "summary", **made_by)
