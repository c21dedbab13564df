# Evaluation sets: pictures of another study, and the published RDMs of its participants.


def rdms_of_set(key):
    """Give an input function for what the RDM file of a set is said to be."""
    return lambda wildcards: getattr(STUDY.external_sets[wildcards.image_set].rdms, key)


rule collect_external_stimuli:
    input:
        images=lambda wildcards: str(
            path_of(STUDY.external_sets[wildcards.image_set].images)
        ),
        table=lambda wildcards: [
            str(path_of(table))
            for table in [STUDY.external_sets[wildcards.image_set].table]
            if table
        ],
    output:
        stimuli=f"{SET_SOURCE}/stimuli.parquet",
    log:
        f"{RESULTS}/logs/{SET}/collect_external_stimuli.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/collect_external_stimuli.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.small()),
    params:
        expected=external_setting("count"),
        pattern=external_setting("pattern"),
    script:
        "../scripts/collect_external_stimuli.py"


rule import_external_rdm:
    input:
        file=rdms_of_set("file"),
        order=rdms_of_set("order_files"),
        stimuli=rules.collect_external_stimuli.output.stimuli,
    output:
        f"{RESULTS}/rdm/{SET}/{{participant}}.parquet",
    log:
        f"{RESULTS}/logs/{SET}/import_external_rdm/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/import_external_rdm/{{participant}}.tsv"
    wildcard_constraints:
        participant="|".join(STRANGERS),
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.import_rdms(STUDY)),
    params:
        rdms=external_setting("rdms"),
        participants=external_setting("participants"),
        # models have values at times of the grid only
        grid=settings(STUDY.grid),
    script:
        "../scripts/import_rdm.py"
