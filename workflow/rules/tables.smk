# The main tables for people to read: Markdown, and pages of the report.


rule write_out_table:
    input:
        f"{RESULTS}/{{table}}.parquet",
    output:
        markdown=f"{RESULTS}/{{table}}.md",
        page=report(
            f"{RESULTS}/{{table}}.html",
            caption="../report/figure.rst",
            category=heading("Tables"),
            labels=lambda wildcards: {"table": MAIN_TABLES[wildcards.table].title},
        ),
    log:
        f"{RESULTS}/logs/write_out_table/{{table}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_out_table/{{table}}.tsv"
    wildcard_constraints:
        table="|".join(MAIN_TABLES),
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.small()),
    params:
        note=lambda wildcards: NOTES.get(wildcards.table, NOTE),
        caption=lambda wildcards: FACTS.caption(MAIN_TABLES[wildcards.table].caption),
    script:
        "../scripts/write_out_table.py"


rule write_out_headlines:
    input:
        f"{RESULTS}/summary.parquet",
    output:
        report(
            f"{RESULTS}/headlines.html",
            caption="../report/figure.rst",
            category=heading("Tables"),
            labels={"table": "Headlines"},
        ),
    log:
        f"{RESULTS}/logs/write_out_headlines.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_out_headlines.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.small()),
    params:
        note=NOTE,
        caption="The few most telling numbers of the summary.",
    script:
        "../scripts/write_out_headlines.py"
