# What several rules share: where things stand, and a study's settings as JSON-ready values.

ENVIRONMENT = "../../envs/environment.yaml"
SOURCE = f"{RESULTS}/source"
BACKBONE = multiext(
    f"{RESULTS}/backbone/open_clip", "_config.json", "_model.safetensors"
)

# Every torch rule takes the one GPU slot of a machine, so that trainings do not crowd each other out; a study that is
# told to stay on the CPU takes none, and its trainings run side by side.
GPU = int(STUDY.compute.device != "cpu")


def settings(section):
    """Give a section of the study as plain values, which Snakemake compares between runs."""
    return section.model_dump(mode="json")


def recording(participant, session):
    """Path of a raw recording in the study's BIDS folder."""
    return f"{SOURCE}/bids/{participant}/{session}/meg/{participant}_{session}_task-pictures_meg.fif"


def epochs(participant, sessions):
    """Paths of the epochs of some sessions, one file each."""
    return [
        f"{RESULTS}/epochs/{participant}/{participant}_{session}_task-pictures_epo.fif"
        for session in sessions
    ]


def rdms(half):
    """Paths of all participants' RDMs from one half of the sessions."""
    return expand(
        f"{RESULTS}/rdm/{{participant}}_{half}.parquet", participant=STUDY.participants
    )


# Ablations of the study by name, and the stages in which each is not the study itself.
ABLATED = ablations.variants(STUDY)
DEPARTED = {
    name: ablations.departures(STUDY, variant) for name, variant in ABLATED.items()
}
EMBEDDED = ["behavior", "group", *STUDY.participants]


def ablated(stage, file):
    """Give an input function for a stage's file: the variant's own, or the study's where they are the same."""

    def choose(wildcards):
        own = stage in DEPARTED[wildcards.variant]
        folder = f"{RESULTS}/ablations/{wildcards.variant}" if own else RESULTS
        return f"{folder}/models/{file.format(**wildcards)}"

    return choose


def begun_from(wildcards):
    """Give the model that a variant's personal models start from."""
    start = ABLATED[wildcards.variant].protocol.individual_starts_from
    stage = "group" if start == "group" else "behavior"
    return ablated(stage, f"{stage}.safetensors")(wildcards)


def finished(wildcards):
    """Give all models of a variant."""
    stages = {"behavior": "behavior", "group": "group"}
    return [
        ablated(stages.get(model, "individual"), f"{model}.safetensors")(wildcards)
        for model in EMBEDDED
    ]
