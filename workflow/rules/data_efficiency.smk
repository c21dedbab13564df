# How results grow with the data: personal models from fewer sessions or images, Behavior from fewer images. Personal
# models start from the study's own group model, which has seen all of everybody: what grows is the personal part.

BY_SESSIONS = {"own": STUDY, **variants.fewer_sessions(STUDY)}
BY_IMAGES = {"own": STUDY, **variants.fewer_images(STUDY)}
BY_BEHAVIOR_IMAGES = {"behavior": STUDY, **variants.fewer_behavior_images(STUDY)}


use rule embed as embed_personal_models_of_variant with:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        models=finished(STUDY.participants),
    output:
        [
            f"{RESULTS}/{{family,data_efficiency}}/{{variant,(sessions|images)_[0-9]+}}/embeddings/{participant}.parquet"
            for participant in STUDY.participants
        ],
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/embed.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/embed.tsv"


use rule embed as embed_behavior_of_variant with:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        models=finished(["behavior"]),
    output:
        f"{RESULTS}/{{family,data_efficiency}}/{{variant,behavior_images_[0-9]+}}/embeddings/behavior.parquet",
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/embed.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/embed.tsv"


rule describe_data_efficiency:
    input:
        **{
            name: expand(
                f"{folder_of(name)}/embeddings/{{model}}.parquet",
                model=STUDY.participants,
            )
            for name in BY_SESSIONS | BY_IMAGES
        },
        **{
            name: f"{folder_of(name)}/embeddings/behavior.parquet"
            for name in BY_BEHAVIOR_IMAGES
        },
        **{
            f"rdms_{name}": trained_on(study, "individual")
            for name, study in BY_SESSIONS.items()
        },
        group=embedding("group"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        triplets=f"{SOURCE}/triplets.parquet",
        test_half=rdms("test"),
        raw=[
            recording(participant, session)
            for participant in STUDY.participants
            for session in STUDY.halves["train"]
        ],
    output:
        f"{RESULTS}/data_efficiency.parquet",
    log:
        f"{RESULTS}/logs/describe_data_efficiency.log",
    benchmark:
        f"{RESULTS}/benchmarks/describe_data_efficiency.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **asks(
            demands.evaluate(
                STUDY, models=len(MODELS), variants=len(FAMILIES["data_efficiency"])
            )
        ),
    params:
        sessions={
            name: variants.amounts(study).sessions
            for name, study in BY_SESSIONS.items()
        },
        images={
            name: variants.amounts(study).images for name, study in BY_IMAGES.items()
        },
        behavior_images={
            name: variants.amounts(study).behavior_images
            for name, study in BY_BEHAVIOR_IMAGES.items()
        },
        images_held_out=images_held_out(STUDY),
        procedure=PROCEDURE,
    script:
        "../scripts/describe_data_efficiency.py"


# not part of `all`
rule data_efficiency:
    input:
        rules.describe_data_efficiency.output,
        multiext(f"{RESULTS}/data_efficiency", ".md", ".html"),
        figures("data_efficiency"),
