"""Describe how results grow with the data: minutes of recording and training images."""

from pathlib import Path

import mne
import numpy as np

from cliphba import behavior as judgements
from cliphba import progress, tables
from cliphba.evaluate import alignment, behavior, efficiency
from cliphba.evaluate.alignment import Alignments
from cliphba.evaluate.efficiency import MINUTES, TRAINING_IMAGES, Amount
from cliphba.evaluate.findings import Independence, Procedure
from cliphba.evaluate.individuals import MODEL_FREE, OTHER_HALF, identification
from cliphba.tables import RDMs

progress.log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
procedure = Procedure(**params.procedure)
trained = Independence(images=params.images_held_out, data=True, people=False)
test = tables.recorded(tables.read(inputs.stimuli, "stimuli"), "test")


def measured(paths: list[str]) -> dict[str, RDMs]:
    """RDMs of each participant."""
    return tables.by_participant(map(tables.read_rdms, paths))


def halves(name: str) -> Alignments:
    """Align the recordings that personal models were trained on with everybody's other half."""
    found = measured(inputs[f"rdms_{name}"])
    # the first few sessions of a half may lack a stimulus
    shown = [stimulus for stimulus in test if all(stimulus in rdms.stimuli for rdms in found.values())]
    first, second = ({who: rdms.of(shown) for who, rdms in half.items()} for half in (found, measurement))
    return alignment.measure(first, second, **procedure.bootstrap())


def aligned(name: str) -> Alignments:
    """Align personal models, and the group model, with everybody."""
    models = {Path(path).stem: tables.read_embedding(path).rdms(test) for path in [*inputs[name], inputs.group]}
    laid = {model: rdms.at(times_ms) for model, rdms in models.items()}
    return alignment.measure(laid, measurement, **procedure.bootstrap())


measurement = {name: rdms.of(test) for name, rdms in measured(inputs.test_half).items()}
times_ms = next(iter(measurement.values())).times_ms
names = progress.track(params.sessions | params.images, "data efficiency", unit="variant")
individuals = {name: efficiency.individuals(aligned(name), trained, seed=procedure.seed) for name in names}
table = [(Amount(TRAINING_IMAGES, images), individuals[name]) for name, images in params.images.items()]

seconds = np.array([mne.io.read_raw(path, verbose="error").duration for path in inputs.raw])
# mean over participants, after each session of the training half
minutes = seconds.reshape(len(measurement), -1).cumsum(axis=1).mean(axis=0) / 60
for name, sessions in params.sessions.items():
    bound = identification(MODEL_FREE, halves(name), OTHER_HALF, seed=procedure.seed)
    table.append((Amount(MINUTES, minutes[sessions - 1]), [*individuals[name], *bound]))

triplets = tables.read(inputs.triplets, "triplets")
human = RDMs.static(judgements.triplet_dissimilarity(triplets, test), test)
static = {name: tables.read_embedding(inputs[name]).rdms(test) for name in params.behavior_images}
for name, agreement in behavior.agree(static, human, resamples=procedure.resamples, seed=procedure.seed).items():
    amount = Amount(TRAINING_IMAGES, params.behavior_images[name])
    table.append((amount, efficiency.behavior(agreement, trained)))

# raw recordings carry the date of writing, and are read for their length alone
sources = sorted(set(inputs) - set(inputs.raw))
made_by = tables.provenance(
    settings=params.procedure, inputs={"/".join(Path(path).parts[2:]): Path(path) for path in sources}
)
sizes = {"images": len(test), "participants": len(measurement), "judges": triplets["participant"].nunique()}
tables.write(efficiency.tabulate(table), snakemake.output[0], "data_efficiency", **sizes, **made_by)
