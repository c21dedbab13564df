# Figures: drawn from tables alone.

NOTE = "Simulated data"
if STUDY.protocol.evaluated_on == "training":
    NOTE += "; alignment with data of training (published protocol)"

# What each figure is drawn from.
FIGURE_TABLES = {
    "behavior": {
        "rdms": f"{EVALUATION}/judges/behavior_rdm.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "alignment": {
        "alignment": f"{EVALUATION}/group/alignment.parquet",
        "ceiling": f"{EVALUATION}/group/ceiling.parquet",
        "stimuli": f"{SOURCE}/stimuli.parquet",
    },
    "reweighting": {
        "initial": f"{RESULTS}/models/initial_reweighting.parquet",
        "group": f"{RESULTS}/models/group_reweighting.parquet",
    },
    "identification": {
        "identification": f"{EVALUATION}/individuals/identification.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "decoding": {"decoding": f"{EVALUATION}/decoding.parquet"},
    # plain CLIP is not trained
    "training": {
        model: f"{RESULTS}/models/{model}_training.parquet" for model in MODELS[1:]
    },
}


rule draw_figure:
    input:
        unpack(lambda wildcards: FIGURE_TABLES[wildcards.figure]),
    output:
        svg=report(
            f"{RESULTS}/figures/{{figure}}.svg",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        png=f"{RESULTS}/figures/{{figure}}.png",
    log:
        f"{RESULTS}/logs/draw_figure/{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw_figure/{{figure}}.tsv"
    wildcard_constraints:
        figure="|".join(FIGURE_TABLES),
    conda:
        ENVIRONMENT
    params:
        note=NOTE,
    script:
        "../scripts/draw_figure.py"
