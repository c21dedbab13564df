# Fine-tuning: to behaviour, to the group's MEG, to each person's MEG.


rule tune_behavior:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        dimensions=f"{SOURCE}/dimensions.parquet",
        embedding=f"{SOURCE}/behavior_embedding.parquet",
    output:
        model=f"{RESULTS}/models/behavior.safetensors",
        log=f"{RESULTS}/models/behavior_training.parquet",
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
        gpu=GPU,
    params:
        training=settings(STUDY.behavior_training),
        # the state after every epoch, from which a job that was killed goes on
        scratch=f"{RESULTS}/scratch/behavior",
        compute=settings(STUDY.compute),
        seed=STUDY.seed_of("tune_behavior"),
        version=STAGES["behavior"],
    script:
        "../scripts/tune_behavior.py"


rule initialise_reweighting:
    input:
        backbone=BACKBONE,
        start=rules.tune_behavior.output.model,
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms("train"),
    output:
        f"{RESULTS}/models/initial_reweighting.parquet",
    log:
        f"{RESULTS}/logs/initialise_reweighting.log",
    benchmark:
        f"{RESULTS}/benchmarks/initialise_reweighting.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        gpu=GPU,
    params:
        reweighting=settings(STUDY.reweighting),
        starts_from=STUDY.protocol.group_starts_from,
        compute=settings(STUDY.compute),
        seed=STUDY.seed_of("initialise_reweighting"),
        version=STAGES["reweighting"],
    script:
        "../scripts/initialise_reweighting.py"


rule tune_group:
    input:
        backbone=BACKBONE,
        start=rules.tune_behavior.output.model,
        reweighting=rules.initialise_reweighting.output,
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms("train"),
    output:
        model=f"{RESULTS}/models/group.safetensors",
        log=f"{RESULTS}/models/group_training.parquet",
        reweighting=f"{RESULTS}/models/group_reweighting.parquet",
    log:
        f"{RESULTS}/logs/tune_group.log",
    benchmark:
        f"{RESULTS}/benchmarks/tune_group.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        gpu=GPU,
    params:
        participants=STUDY.participants,
        training=settings(STUDY.group_training),
        scratch=f"{RESULTS}/scratch/group",
        protocol=settings(STUDY.protocol),
        starts_from=STUDY.protocol.group_starts_from,
        compute=settings(STUDY.compute),
        seed=STUDY.seed_of("tune_group"),
        version=STAGES["group"],
    script:
        "../scripts/tune_dynamic.py"


rule tune_individual:
    input:
        backbone=BACKBONE,
        start=(
            rules.tune_group.output.model
            if STUDY.protocol.individual_starts_from == "group"
            else rules.tune_behavior.output.model
        ),
        reweighting=rules.initialise_reweighting.output,
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=[f"{RESULTS}/rdm/{{participant}}_train.parquet"],
    output:
        model=f"{RESULTS}/models/{{participant}}.safetensors",
        log=f"{RESULTS}/models/{{participant}}_training.parquet",
        reweighting=f"{RESULTS}/models/{{participant}}_reweighting.parquet",
    log:
        f"{RESULTS}/logs/tune_individual/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tune_individual/{{participant}}.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        gpu=GPU,
    params:
        participants=lambda wildcards: [wildcards.participant],
        training=settings(STUDY.individual_training),
        scratch=f"{RESULTS}/scratch/{{participant}}",
        protocol=settings(STUDY.protocol),
        starts_from=STUDY.protocol.individual_starts_from,
        compute=settings(STUDY.compute),
        # the same for all: what differs between personal models comes from their participants
        seed=STUDY.seed_of("tune_individual"),
        version=STAGES["individual"],
    script:
        "../scripts/tune_dynamic.py"
