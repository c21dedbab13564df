# A real study's own data: its pictures and judgements as tables; MEG is read by the rules of meg.smk.

STIMULI, BEHAVIOR = STUDY.data.stimuli, STUDY.data.behavior
# what people judged, as far as there is any of it
JUDGED = {
    **({"triplets": f"{SOURCE}/triplets.parquet"} if STUDY.has_triplets else {}),
    **(
        {"human_rdm": f"{SOURCE}/human_rdm.parquet"}
        if STUDY.judged and not STUDY.has_triplets
        else {}
    ),
    **(
        {
            "dimensions": f"{SOURCE}/dimensions.parquet",
            "embedding": f"{SOURCE}/behavior_embedding.parquet",
        }
        if STUDY.learns_behavior
        else {}
    ),
}


rule collect_stimuli:
    input:
        images=pictures_in(STIMULI.images),
        table=STIMULI.table_files,
        # which pictures people judged, where those are the ones to be held out
        judgements=BEHAVIOR.files if STIMULI.split == "judged" else [],
    output:
        f"{SOURCE}/stimuli.parquet",
    log:
        f"{RESULTS}/logs/collect_stimuli.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect_stimuli.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.small()),
    params:
        stimuli=settings(STIMULI),
        pictures=lambda wildcards: noticed(STIMULI.images),
        behavior=settings(BEHAVIOR) if STIMULI.split == "judged" else None,
        seed=STUDY.seed_of("collect_stimuli"),
    script:
        "../scripts/collect_stimuli.py"


if JUDGED:

    rule collect_judgements:
        input:
            files=BEHAVIOR.files,
            stimuli=rules.collect_stimuli.output[0],
        output:
            **JUDGED,
        log:
            f"{RESULTS}/logs/collect_judgements.log",
        benchmark:
            f"{RESULTS}/benchmarks/collect_judgements.tsv"
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.small()),
        params:
            behavior=settings(BEHAVIOR),
        script:
            "../scripts/collect_judgements.py"
