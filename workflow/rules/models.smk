# Fine-tuning: to behaviour, to the group's MEG, to each person's MEG.

TRAINED = f"{RESULTS}/models"
BEHAVIOR_MODEL = f"{TRAINED}/behavior.safetensors"

if STUDY.learns_behavior:

    rule tune_behavior:
        input:
            backbone=BACKBONE,
            stimuli=f"{SOURCE}/stimuli.parquet",
            dimensions=f"{SOURCE}/dimensions.parquet",
            embedding=f"{SOURCE}/behavior_embedding.parquet",
        output:
            model=BEHAVIOR_MODEL,
            log=f"{TRAINED}/behavior_training.parquet",
        log:
            f"{RESULTS}/logs/tune_behavior.log",
        benchmark:
            f"{RESULTS}/benchmarks/tune_behavior.tsv"
        # on the longest way through the workflow
        priority: 50
        conda:
            ENVIRONMENT
        threads: STUDY.compute.threads
        resources:
            **asks_gpu(demands.tune_behavior(STUDY)),
        params:
            stage=stages.behavior(STUDY),
            # the state after every epoch, from which a job that was killed goes on
            scratch=f"{RESULTS}/scratch/behavior",
        script:
            "../scripts/tune_behavior.py"

else:

    # The Behavior model of another study, or CLIP itself, in this study's place for it.
    rule adopt_behavior:
        input:
            backbone=BACKBONE,
            model=STUDY.data.behavior.models,
            # test pictures are to be others than those that it was trained on, where these are known
            stimuli=f"{SOURCE}/stimuli.parquet",
            trained_on=TRAINED_ELSEWHERE,
        output:
            BEHAVIOR_MODEL,
        log:
            f"{RESULTS}/logs/adopt_behavior.log",
        benchmark:
            f"{RESULTS}/benchmarks/adopt_behavior.tsv"
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.import_backbone(STUDY)),
        params:
            behavior=settings(STUDY.data.behavior),
            images=STUDY.protocol.images,
        script:
            "../scripts/adopt_behavior.py"


rule initialise_reweighting:
    input:
        backbone=BACKBONE,
        start=BEHAVIOR_MODEL,
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=trained_on(STUDY, "group"),
    output:
        f"{TRAINED}/initial_reweighting.parquet",
    log:
        f"{RESULTS}/logs/initialise_reweighting.log",
    benchmark:
        f"{RESULTS}/benchmarks/initialise_reweighting.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        **asks_gpu(demands.initialise(STUDY)),
    params:
        stage=stages.initial_reweighting(STUDY),
    script:
        "../scripts/initialise_reweighting.py"


rule fit_group_reweighting:
    input:
        backbone=BACKBONE,
        start=BEHAVIOR_MODEL,
        reweighting=rules.initialise_reweighting.output[0],
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=trained_on(STUDY, "group"),
    output:
        models=[f"{TRAINED}/stage_1/group.safetensors"],
        logs=[f"{TRAINED}/stage_1/group_training.parquet"],
    log:
        f"{RESULTS}/logs/fit_group_reweighting.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_group_reweighting.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        **asks_gpu(demands.reweight(STUDY, "group")),
    params:
        stage=stages.reweighting(STUDY, "group"),
        members={"group": STUDY.group_participants},
        scratch=f"{RESULTS}/scratch/group_reweighting",
    script:
        "../scripts/fit_reweightings.py"


rule tune_group:
    input:
        backbone=BACKBONE,
        start=f"{TRAINED}/stage_1/group.safetensors",
        log=f"{TRAINED}/stage_1/group_training.parquet",
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=trained_on(STUDY, "group"),
    output:
        model=f"{TRAINED}/group.safetensors",
        log=f"{TRAINED}/group_training.parquet",
        reweighting=f"{TRAINED}/group_reweighting.parquet",
    log:
        f"{RESULTS}/logs/tune_group.log",
    benchmark:
        f"{RESULTS}/benchmarks/tune_group.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        **asks_gpu(demands.tune(STUDY, "group")),
    params:
        stage=stages.adapters(STUDY, "group"),
        scratch=f"{RESULTS}/scratch/group",
    script:
        "../scripts/tune_adapters.py"


# Of all participants at once, for they share all but their RDMs; one file each, so that only those that change are
# built upon again.
use rule fit_group_reweighting as fit_individual_reweightings with:
    input:
        backbone=BACKBONE,
        start=(
            rules.tune_group.output.model
            if STUDY.protocol.individual_starts_from == "group"
            else BEHAVIOR_MODEL
        ),
        reweighting=rules.initialise_reweighting.output[0],
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=trained_on(STUDY, "individual"),
    output:
        models=expand(
            f"{TRAINED}/stage_1/{{participant}}.safetensors",
            participant=STUDY.participants,
        ),
        logs=expand(
            f"{TRAINED}/stage_1/{{participant}}_training.parquet",
            participant=STUDY.participants,
        ),
    log:
        f"{RESULTS}/logs/fit_individual_reweightings.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_individual_reweightings.tsv"
    resources:
        **asks_gpu(demands.reweight(STUDY, "individual")),
    params:
        stage=stages.reweighting(STUDY, "individual"),
        members={participant: [participant] for participant in STUDY.participants},
        scratch=f"{RESULTS}/scratch/individual_reweightings",


use rule tune_group as tune_individual with:
    input:
        backbone=BACKBONE,
        start=f"{TRAINED}/stage_1/{{participant}}.safetensors",
        log=f"{TRAINED}/stage_1/{{participant}}_training.parquet",
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=own_rdms(STUDY, "{participant}"),
    output:
        model=f"{TRAINED}/{{participant}}.safetensors",
        log=f"{TRAINED}/{{participant}}_training.parquet",
        reweighting=f"{TRAINED}/{{participant}}_reweighting.parquet",
    log:
        f"{RESULTS}/logs/tune_individual/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tune_individual/{{participant}}.tsv"
    resources:
        **asks_gpu(demands.tune(STUDY, "individual")),
    params:
        stage=stages.adapters(STUDY, "individual"),
        scratch=f"{RESULTS}/scratch/{{participant}}",
