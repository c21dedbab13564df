# What each ingredient of the method is worth: the study with one of them left out or exchanged at a time.

EMBEDDED = ["behavior", "group", *STUDY.participants]


use rule embed as embed_ablation with:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        models=finished(EMBEDDED),
    output:
        [
            f"{RESULTS}/{{family,ablations}}/{{variant}}/embeddings/{model}.parquet"
            for model in EMBEDDED
        ],
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/embed.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/embed.tsv"
    params:
        compute=settings(STUDY.compute),
        images=lambda wildcards: VARIANTS[wildcards.variant].protocol.images,


rule compare_ablations:
    input:
        **{
            name: expand(
                f"{VARIANT}/embeddings/{{model}}.parquet",
                family="ablations",
                variant=name,
                model=EMBEDDED,
            )
            for name in FAMILIES["ablations"]
        },
        **(JUDGEMENTS if STUDY.judged else {}),
        reference=[embedding(model) for model in EMBEDDED],
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms(STUDY.test_half),
    output:
        f"{RESULTS}/ablation.parquet",
    log:
        f"{RESULTS}/logs/compare_ablations.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_ablations.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **asks(
            demands.evaluate(
                STUDY, models=len(EMBEDDED), variants=len(FAMILIES["ablations"])
            )
        ),
    params:
        # whether images that a way of running the method is compared on shaped its target or its curves
        images_held_out={
            name: images_held_out(study)
            for name, study in {"reference": STUDY, **FAMILIES["ablations"]}.items()
        },
        recordings_held_out=STUDY.has_halves,
        procedure=PROCEDURE,
        data=HALVES_OF,
    script:
        "../scripts/compare_ablations.py"


# not part of `all`
rule ablations:
    input:
        rules.compare_ablations.output,
        multiext(f"{RESULTS}/ablation", ".md", ".html"),
        figures("ablations"),
