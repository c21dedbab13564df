# The study trained again with a few settings changed. Stages that a change does not reach are those of the study itself.


wildcard_constraints:
    family="|".join(FAMILIES),
    variant="|".join(VARIANTS),


if STUDY.learns_behavior:

    use rule tune_behavior as tune_behavior_of_variant with:
        output:
            model=f"{VARIANT}/models/behavior.safetensors",
            log=f"{VARIANT}/models/behavior_training.parquet",
        log:
            f"{RESULTS}/logs/{{family}}/{{variant}}/tune_behavior.log",
        benchmark:
            f"{RESULTS}/benchmarks/{{family}}/{{variant}}/tune_behavior.tsv"
        params:
            stage=lambda wildcards: stages.behavior(VARIANTS[wildcards.variant]),
            scratch=f"{RESULTS}/scratch/{{family}}/{{variant}}/behavior",


use rule initialise_reweighting as initialise_reweighting_of_variant with:
    input:
        backbone=BACKBONE,
        start=varied("behavior", "behavior.safetensors"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=lambda wildcards: trained_on(VARIANTS[wildcards.variant], "group"),
    output:
        f"{VARIANT}/models/initial_reweighting.parquet",
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/initialise_reweighting.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/initialise_reweighting.tsv"
    params:
        stage=lambda wildcards: stages.initial_reweighting(VARIANTS[wildcards.variant]),


use rule fit_group_reweighting as fit_group_reweighting_of_variant with:
    input:
        backbone=BACKBONE,
        start=varied("behavior", "behavior.safetensors"),
        reweighting=varied("initial", "initial_reweighting.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=lambda wildcards: trained_on(VARIANTS[wildcards.variant], "group"),
    output:
        models=[f"{VARIANT}/models/stage_1/group.safetensors"],
        logs=[f"{VARIANT}/models/stage_1/group_training.parquet"],
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/fit_group_reweighting.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/fit_group_reweighting.tsv"
    params:
        stage=lambda wildcards: stages.reweighting(VARIANTS[wildcards.variant], "group"),
        members=lambda wildcards: {
            "group": VARIANTS[wildcards.variant].group_participants
        },
        scratch=f"{RESULTS}/scratch/{{family}}/{{variant}}/group_reweighting",


use rule tune_group as tune_group_of_variant with:
    input:
        backbone=BACKBONE,
        start=varied("group_stage_1", "stage_1/group.safetensors"),
        log=varied("group_stage_1", "stage_1/group_training.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=lambda wildcards: trained_on(VARIANTS[wildcards.variant], "group"),
    output:
        model=f"{VARIANT}/models/group.safetensors",
        log=f"{VARIANT}/models/group_training.parquet",
        reweighting=f"{VARIANT}/models/group_reweighting.parquet",
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/tune_group.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/tune_group.tsv"
    params:
        stage=lambda wildcards: stages.adapters(VARIANTS[wildcards.variant], "group"),
        scratch=f"{RESULTS}/scratch/{{family}}/{{variant}}/group",


use rule fit_individual_reweightings as fit_individual_reweightings_of_variant with:
    input:
        backbone=BACKBONE,
        start=begun_from,
        reweighting=varied("initial", "initial_reweighting.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=lambda wildcards: trained_on(VARIANTS[wildcards.variant], "individual"),
    output:
        models=[
            f"{VARIANT}/models/stage_1/{participant}.safetensors"
            for participant in STUDY.participants
        ],
        logs=[
            f"{VARIANT}/models/stage_1/{participant}_training.parquet"
            for participant in STUDY.participants
        ],
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/fit_individual_reweightings.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/fit_individual_reweightings.tsv"
    params:
        stage=lambda wildcards: stages.reweighting(
            VARIANTS[wildcards.variant], "individual"
        ),
        members={participant: [participant] for participant in STUDY.participants},
        scratch=f"{RESULTS}/scratch/{{family}}/{{variant}}/individual_reweightings",


use rule tune_individual as tune_individual_of_variant with:
    input:
        backbone=BACKBONE,
        start=varied("individual_stage_1", "stage_1/{participant}.safetensors"),
        log=varied("individual_stage_1", "stage_1/{participant}_training.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=lambda wildcards: own_rdms(
            VARIANTS[wildcards.variant], wildcards.participant
        ),
    output:
        model=f"{VARIANT}/models/{{participant}}.safetensors",
        log=f"{VARIANT}/models/{{participant}}_training.parquet",
        reweighting=f"{VARIANT}/models/{{participant}}_reweighting.parquet",
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/tune_individual/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/tune_individual/{{participant}}.tsv"
    params:
        stage=lambda wildcards: stages.adapters(
            VARIANTS[wildcards.variant], "individual"
        ),
        scratch=f"{RESULTS}/scratch/{{family}}/{{variant}}/{{participant}}",


include: "ablations.smk"


if FAMILIES["held_out_participants"]:

    include: "held_out_participants.smk"


# which needs minutes of raw recordings, and judgements of single triplets
if STUDY.simulation is not None:

    include: "data_efficiency.smk"
