# What several rules share: where things stand, and a study's settings as JSON-ready values.

import os

from cliphba import resources as demands
from cliphba.figures.catalogue import CATALOGUE, MAIN_TABLES, heading
from cliphba.figures.wording import Facts
from cliphba.pictures import fingerprint
from cliphba.sources import BIDSRecordings, path_of

ENVIRONMENT = "../../envs/environment.yaml"
SOURCE = f"{RESULTS}/source"
BACKBONE = multiext(
    f"{RESULTS}/backbone/open_clip", "_config.json", "_model.safetensors"
)

# Where a real study's recordings are downloaded from, if they are.
OPENNEURO = STUDY.recordings and STUDY.recordings.openneuro
# The file of stimulus names, where its events have numbers.
NAMES = STUDY.recordings.events.names_files if STUDY.recordings else []

# What captions and notes say of the study. What the halves of real data are made of stands in every table, too; those of
# simulated ones are sessions.
FACTS = Facts.of(STUDY)
HALVES_OF = {} if STUDY.simulation is not None else {"halves_of": STUDY.halves_of}
# The table of stimuli of the study that Behavior is adopted from; if it is not there, nobody knows which images models
# were trained on.
ELSEWHERE = STUDY.adopted_from and STUDY.adopted_from.stimuli
TRAINED_ELSEWHERE = [str(ELSEWHERE)] if ELSEWHERE and ELSEWHERE.exists() else []
IMAGES_KNOWN = ELSEWHERE is None or bool(TRAINED_ELSEWHERE)

# How a cluster is asked for a GPU. Most take a number of them, some a generic resource such as gpu:1 instead; the rest is
# as for all jobs if nothing is said. docs/cluster.md has these variables and those of slurm/config.yaml.
GPU_REQUEST = {
    "gpu": 0 if os.environ.get("CLIPHBA_GRES") else 1,
    **{
        resource: os.environ[variable]
        for resource, variable in {
            "gres": "CLIPHBA_GRES",
            "slurm_partition": "CLIPHBA_GPU_PARTITION",
            "constraint": "CLIPHBA_GPU_CONSTRAINT",
        }.items()
        if os.environ.get(variable)
    },
}


def asks(demand):
    """Give the resources that a job asks for, more with every attempt."""
    return {
        "mem_mb": lambda wildcards, attempt: demand.memory(attempt),
        "runtime": lambda wildcards, attempt: demand.minutes(attempt),
    }


def asks_gpu(demand):
    """Give those of a job that trains or embeds.

    On one machine it takes the only GPU slot, so that such jobs do not crowd each other out; of a study that is told to
    stay on the CPU two run side by side.
    """
    gpu = GPU_REQUEST if STUDY.compute.device != "cpu" else {}
    return {**asks(demand), **gpu, "trainings": 1}


def settings(section):
    """Give a section of the study as plain values, which Snakemake compares between runs."""
    return section.model_dump(mode="json")


def recording(participant, session, source=SOURCE):
    """Path of a raw recording in a BIDS folder: the study's own, or that of an external set."""
    return f"{source}/bids/{participant}/{session}/meg/{participant}_{session}_task-pictures_meg.fif"


def simulated_recordings(sessions, source=SOURCE):
    """Say of simulated recordings what a real study says of its own."""
    names = [session.removeprefix("ses-") for session in sessions]
    return settings(
        BIDSRecordings(
            kind="bids", root=f"{source}/bids", task="pictures", sessions=names
        )
    )


def epochs(participant, sessions, folder=f"{RESULTS}/epochs"):
    """Paths of the epochs of some sessions, one file each."""
    return [
        f"{folder}/{participant}/{participant}_{session}_task-pictures_epo.fif"
        for session in sessions
    ]


def fetched(participant):
    """Records of a participant's recordings from OpenNeuro; none where the study has its recordings already."""
    if OPENNEURO is None:
        return []
    return [
        str(record)
        for record in OPENNEURO.records(participant, STUDY.recordings.sessions)
    ]


def found_recordings(wildcards):
    """Paths of a participant's raw recordings and their tables, or of the records that they have been downloaded."""
    if OPENNEURO is not None:
        return fetched(wildcards.participant)
    # not for everybody: MNE takes a while to import
    from cliphba.meg.bids import find_recordings, tables_beside

    try:
        found = find_recordings(STUDY.recordings, wildcards.participant)
    except ValueError as error:
        raise WorkflowError(str(error)) from None
    return [path for raw in found for path in (raw, *tables_beside(raw))]


def is_fetched(folder):
    """Tell whether a folder is downloaded, or lies in one that is."""
    return any(folder.is_relative_to(path_of(entry.to)) for entry in STUDY.downloads)


def pictures_in(images):
    """Name a folder of pictures, without regard to its date, which changes with whatever is put there."""
    folder = path_of(images)
    return str(folder) if is_fetched(folder) else ancient(str(folder))


def noticed(images):
    """Give what is noticed of a folder of pictures instead: a picture replaced, added or removed."""
    folder = path_of(images)
    return None if is_fetched(folder) else fingerprint(folder)


def rdms(half, participants=STUDY.participants):
    """Paths of participants' RDMs from one half of the data, or from the first few sessions of it."""
    return expand(
        f"{RESULTS}/rdm/{{participant}}_{half}.parquet", participant=participants
    )


def embedding(model):
    """Path of what a model gives for the recorded images."""
    return f"{RESULTS}/embeddings/{model}.parquet"


def external_set(wildcards):
    """Give the external set that a job is about."""
    return STUDY.external_sets[wildcards.image_set]


def external_setting(key):
    """Give an input or parameter function for a setting of an external set."""
    return lambda wildcards: external_set(wildcards).model_dump()[key]


def external_table(image_set, kind):
    """Path of a table that the evaluation of an external set gives."""
    return f"{RESULTS}/evaluation/external/{image_set}_{kind}.parquet"


def images_held_out(study):
    """Tell whether it is known that images that models are compared on have shaped nothing: no target, no curves."""
    return study.protocol.statistics_from == "training" and IMAGES_KNOWN


def trained_on(study, level):
    """Paths of the RDMs that the group model, or all personal models together, are trained on."""
    recordings = stages.recordings(study, level)
    return rdms(recordings.half, recordings.participants)


def own_rdms(study, participant):
    """Path of the RDMs that one personal model is trained on."""
    return rdms(stages.recordings(study, "individual").half, [participant])


# The study with a few settings changed, by family and name; and the stages in which each is not the study itself.
FAMILIES = {
    "ablations": ablations.variants(STUDY),
    "data_efficiency": {
        **variants.fewer_sessions(STUDY),
        **variants.fewer_images(STUDY),
        **variants.fewer_behavior_images(STUDY),
    },
    "held_out_participants": variants.without_each_participant(STUDY),
}
VARIANTS = {
    name: variant for family in FAMILIES.values() for name, variant in family.items()
}
DEPARTED = {
    name: variants.departures(STUDY, variant) for name, variant in VARIANTS.items()
}
VARIANT = f"{RESULTS}/{{family}}/{{variant}}"


def folder_of(name):
    """Folder of a variant; of any other name, that of the study itself."""
    families = [family for family, members in FAMILIES.items() if name in members]
    return "/".join([RESULTS, *families, *([name] if families else [])])


def varied(stage, file):
    """Give an input function for a stage's file: the variant's own, or the study's where they are the same."""

    def choose(wildcards):
        own = stage in DEPARTED[wildcards.variant]
        folder = VARIANT.format(**wildcards) if own else RESULTS
        return f"{folder}/models/{file.format(**wildcards)}"

    return choose


def begun_from(wildcards):
    """Give the model that a variant's personal models start from."""
    start = VARIANTS[wildcards.variant].protocol.individual_starts_from
    stage = "group" if start == "group" else "behavior"
    return varied(stage, f"{stage}.safetensors")(wildcards)


def finished(models):
    """Give an input function for some models of a variant."""
    shared = ("behavior", "group")
    inputs = [
        varied(model if model in shared else "individual", f"{model}.safetensors")
        for model in models
    ]
    return lambda wildcards: [choose(wildcards) for choose in inputs]


def figures(target):
    """Paths of the figures, but for animations, that a target of the workflow asks for and the study has tables for."""
    names = [name for name in FIGURE_TABLES if CATALOGUE[name].target == target]
    return expand(
        f"{RESULTS}/figures/{{figure}}.{{format}}", figure=names, format=["svg", "png"]
    )
