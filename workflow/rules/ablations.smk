# The study again with one ingredient of the method left out or exchanged at a time. Stages that a change does not
# reach are those of the study itself.

ABLATION = f"{RESULTS}/ablations/{{variant}}"


wildcard_constraints:
    variant="|".join(ABLATED),


use rule tune_behavior as ablate_behavior with:
    output:
        model=f"{ABLATION}/models/behavior.safetensors",
        log=f"{ABLATION}/models/behavior_training.parquet",
    log:
        f"{RESULTS}/logs/ablations/{{variant}}/tune_behavior.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablations/{{variant}}/tune_behavior.tsv"
    params:
        stage=lambda wildcards: stages.behavior(ABLATED[wildcards.variant]),
        scratch=f"{RESULTS}/scratch/ablations/{{variant}}/behavior",


use rule initialise_reweighting as ablate_initial_reweighting with:
    input:
        backbone=BACKBONE,
        start=ablated("behavior", "behavior.safetensors"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms("train"),
    output:
        f"{ABLATION}/models/initial_reweighting.parquet",
    log:
        f"{RESULTS}/logs/ablations/{{variant}}/initialise_reweighting.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablations/{{variant}}/initialise_reweighting.tsv"
    params:
        stage=lambda wildcards: stages.initial_reweighting(ABLATED[wildcards.variant]),


use rule fit_group_reweighting as ablate_group_reweighting with:
    input:
        backbone=BACKBONE,
        start=ablated("behavior", "behavior.safetensors"),
        reweighting=ablated("initial", "initial_reweighting.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms("train"),
    output:
        models=[f"{ABLATION}/models/stage_1/group.safetensors"],
        logs=[f"{ABLATION}/models/stage_1/group_training.parquet"],
    log:
        f"{RESULTS}/logs/ablations/{{variant}}/fit_group_reweighting.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablations/{{variant}}/fit_group_reweighting.tsv"
    params:
        stage=lambda wildcards: stages.reweighting(ABLATED[wildcards.variant], "group"),
        members={"group": STUDY.participants},
        scratch=f"{RESULTS}/scratch/ablations/{{variant}}/group_reweighting",


use rule tune_group as ablate_group with:
    input:
        backbone=BACKBONE,
        start=ablated("group_stage_1", "stage_1/group.safetensors"),
        log=ablated("group_stage_1", "stage_1/group_training.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms("train"),
    output:
        model=f"{ABLATION}/models/group.safetensors",
        log=f"{ABLATION}/models/group_training.parquet",
        reweighting=f"{ABLATION}/models/group_reweighting.parquet",
    log:
        f"{RESULTS}/logs/ablations/{{variant}}/tune_group.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablations/{{variant}}/tune_group.tsv"
    params:
        stage=lambda wildcards: stages.adapters(ABLATED[wildcards.variant], "group"),
        scratch=f"{RESULTS}/scratch/ablations/{{variant}}/group",


use rule fit_individual_reweightings as ablate_individual_reweightings with:
    input:
        backbone=BACKBONE,
        start=begun_from,
        reweighting=ablated("initial", "initial_reweighting.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms("train"),
    output:
        models=[
            f"{ABLATION}/models/stage_1/{participant}.safetensors"
            for participant in STUDY.participants
        ],
        logs=[
            f"{ABLATION}/models/stage_1/{participant}_training.parquet"
            for participant in STUDY.participants
        ],
    log:
        f"{RESULTS}/logs/ablations/{{variant}}/fit_individual_reweightings.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablations/{{variant}}/fit_individual_reweightings.tsv"
    params:
        stage=lambda wildcards: stages.reweighting(
            ABLATED[wildcards.variant], "individual"
        ),
        members={participant: [participant] for participant in STUDY.participants},
        scratch=f"{RESULTS}/scratch/ablations/{{variant}}/individual_reweightings",


use rule tune_individual as ablate_individual with:
    input:
        backbone=BACKBONE,
        start=ablated("individual_stage_1", "stage_1/{participant}.safetensors"),
        log=ablated("individual_stage_1", "stage_1/{participant}_training.parquet"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=[f"{RESULTS}/rdm/{{participant}}_train.parquet"],
    output:
        model=f"{ABLATION}/models/{{participant}}.safetensors",
        log=f"{ABLATION}/models/{{participant}}_training.parquet",
        reweighting=f"{ABLATION}/models/{{participant}}_reweighting.parquet",
    log:
        f"{RESULTS}/logs/ablations/{{variant}}/tune_individual/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablations/{{variant}}/tune_individual/{{participant}}.tsv"
    params:
        stage=lambda wildcards: stages.adapters(
            ABLATED[wildcards.variant], "individual"
        ),
        scratch=f"{RESULTS}/scratch/ablations/{{variant}}/{{participant}}",


use rule embed as embed_ablation with:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        models=finished,
    output:
        [f"{ABLATION}/embeddings/{model}.parquet" for model in EMBEDDED],
    log:
        f"{RESULTS}/logs/ablations/{{variant}}/embed.log",
    benchmark:
        f"{RESULTS}/benchmarks/ablations/{{variant}}/embed.tsv"
    params:
        compute=settings(STUDY.compute),
        images=lambda wildcards: ABLATED[wildcards.variant].protocol.images,


rule compare_ablations:
    input:
        **{
            name: expand(
                f"{ABLATION}/embeddings/{{model}}.parquet",
                variant=name,
                model=EMBEDDED,
            )
            for name in ABLATED
        },
        reference=expand(f"{RESULTS}/embeddings/{{model}}.parquet", model=EMBEDDED),
        stimuli=f"{SOURCE}/stimuli.parquet",
        triplets=f"{SOURCE}/triplets.parquet",
        rdms=rdms("test"),
    output:
        f"{RESULTS}/ablation.parquet",
    log:
        f"{RESULTS}/logs/compare_ablations.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_ablations.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    params:
        variants=list(ABLATED),
        resamples=STUDY.evaluation.resamples,
        seed=STUDY.seed_of("evaluate"),
    script:
        "../scripts/compare_ablations.py"


# not part of `all`
rule ablations:
    input:
        rules.compare_ablations.output,
