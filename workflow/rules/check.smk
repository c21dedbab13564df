# Looks at a study before anything is computed: snakemake --cores 1 check.


rule check:
    log:
        f"{RESULTS}/logs/check.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.small()),
    params:
        study=settings(STUDY),
    script:
        "../scripts/check.py"
