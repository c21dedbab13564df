# How well every model agrees with people, on images and sessions that no training saw.

MODELS = ["clip", "behavior", "group", *STUDY.participants]


rule embed:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        # plain CLIP has no checkpoint of its own
        models=expand(f"{RESULTS}/models/{{model}}.safetensors", model=MODELS[1:]),
    output:
        expand(f"{RESULTS}/embeddings/{{model}}.parquet", model=MODELS),
    log:
        f"{RESULTS}/logs/embed.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        gpu=GPU,
    params:
        compute=settings(STUDY.compute),
        images=STUDY.protocol.images,
    script:
        "../scripts/embed.py"


rule evaluate:
    input:
        embeddings=rules.embed.output,
        stimuli=f"{SOURCE}/stimuli.parquet",
        embedding=f"{SOURCE}/behavior_embedding.parquet",
        triplets=f"{SOURCE}/triplets.parquet",
        training_half=rdms("train"),
        test_half=rdms("test"),
    output:
        summary=f"{RESULTS}/summary.parquet",
        alignment=f"{RESULTS}/evaluation/alignment.parquet",
        ceiling=f"{RESULTS}/evaluation/ceiling.parquet",
        behavior=f"{RESULTS}/evaluation/behavior_rdm.parquet",
        identification=f"{RESULTS}/evaluation/identification.parquet",
    log:
        f"{RESULTS}/logs/evaluate.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    params:
        evaluated_on=STUDY.protocol.evaluated_on,
        resamples=STUDY.evaluation.resamples,
        seed=STUDY.seed_of("evaluate"),
    script:
        "../scripts/evaluate.py"


rule describe_decoding:
    input:
        rdms=[*rdms("train"), *rdms("test")],
        stimuli=f"{SOURCE}/stimuli.parquet",
    output:
        decoding=f"{RESULTS}/evaluation/decoding.parquet",
        reliability=f"{RESULTS}/evaluation/reliability.parquet",
        curves=f"{RESULTS}/evaluation/curves.parquet",
    log:
        f"{RESULTS}/logs/describe_decoding.log",
    benchmark:
        f"{RESULTS}/benchmarks/describe_decoding.tsv"
    conda:
        ENVIRONMENT
    script:
        "../scripts/describe_decoding.py"
