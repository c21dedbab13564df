# Evaluation sets: pictures of another study, and the published RDMs of its participants.


rule collect_external_stimuli:
    input:
        images=lambda wildcards: pictures_in(external_set(wildcards).images),
        table=lambda wildcards: external_set(wildcards).table_files,
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
        pictures=lambda wildcards: noticed(external_set(wildcards).images),
        pattern=external_setting("pattern"),
    script:
        "../scripts/collect_external_stimuli.py"


rule import_external_rdm:
    input:
        file=lambda wildcards: external_set(wildcards).rdms.path(wildcards.participant),
        order=lambda wildcards: external_set(wildcards).rdms.order_files,
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
