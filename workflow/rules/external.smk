# Image sets apart from the study's own: other pictures, shown to other people, on which finished models are tested.

SET = "external/{image_set}"
SET_SOURCE = f"{SOURCE}/{SET}"
SET_EPOCHS = f"{RESULTS}/epochs/{SET}"
EXTERNAL_SUMMARY = multiext(f"{RESULTS}/external_summary", ".parquet", ".md", ".html")
STRANGERS = [
    name for external in STUDY.external_sets.values() for name in external.participants
]


wildcard_constraints:
    image_set="|".join(STUDY.external_sets),


if STUDY.simulation is not None:

    include: "simulate_external.smk"

else:

    include: "collect_external.smk"


use rule embed as embed_external_set with:
    input:
        backbone=BACKBONE,
        stimuli=f"{SET_SOURCE}/stimuli.parquet",
        models=expand(f"{RESULTS}/models/{{model}}.safetensors", model=SHARED[1:]),
    output:
        [f"{RESULTS}/embeddings/{SET}/{model}.parquet" for model in SHARED],
    log:
        f"{RESULTS}/logs/{SET}/embed_external_set.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/embed_external_set.tsv"


rule evaluate_external_set:
    input:
        clip=f"{RESULTS}/embeddings/{SET}/clip.parquet",
        behavior=f"{RESULTS}/embeddings/{SET}/behavior.parquet",
        group=f"{RESULTS}/embeddings/{SET}/group.parquet",
        stimuli=f"{SET_SOURCE}/stimuli.parquet",
        trained_on=[f"{SOURCE}/stimuli.parquet", *TRAINED_ELSEWHERE],
        rdms=lambda wildcards: expand(
            f"{RESULTS}/rdm/external/{wildcards.image_set}/{{participant}}.parquet",
            participant=external_setting("participants")(wildcards),
        ),
    output:
        **{
            kind: external_table("{image_set}", kind)
            for kind in (
                "alignment",
                "contrast",
                "ceiling",
                "latency",
                "external_summary",
                "pictures",
            )
        },
    log:
        f"{RESULTS}/logs/{SET}/evaluate_external_set.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/evaluate_external_set.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.evaluate(STUDY, models=len(SHARED))),
    params:
        procedure=PROCEDURE,
        images_known=IMAGES_KNOWN,
    script:
        "../scripts/evaluate_external_set.py"


use rule summarise as summarise_external_sets with:
    input:
        [external_table(name, "external_summary") for name in STUDY.external_sets],
    output:
        EXTERNAL_SUMMARY[0],
    log:
        f"{RESULTS}/logs/summarise_external_sets.log",
    benchmark:
        f"{RESULTS}/benchmarks/summarise_external_sets.tsv"
    params:
        kind="external_summary",
        settings=PROCEDURE,
