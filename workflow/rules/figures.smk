# Figures: drawn from tables alone.

from cliphba.figures.catalogue import CATALOGUE

NOTE = "Simulated data"
if STUDY.protocol.evaluated_on == "training":
    NOTE += "; alignment with data of training (published protocol)"

SALIENCY = {
    kind: f"{EVALUATION}/saliency/{kind}.parquet" for kind in ("saliency", "pictures")
}

# What each figure is drawn from; cliphba.figures.catalogue says what these tables are and what is seen.
FIGURE_TABLES = {
    "decoding": {"decoding": f"{EVALUATION}/decoding.parquet"},
    "training": {
        # plain CLIP is not trained
        "logs": [f"{RESULTS}/models/{model}_training.parquet" for model in MODELS[1:]],
    },
    "behavior": {
        "rdms": f"{EVALUATION}/judges/behavior_rdm.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "alignment": {
        "alignment": f"{EVALUATION}/group/alignment.parquet",
        "ceiling": f"{EVALUATION}/group/ceiling.parquet",
    },
    "reweighting": {
        "reweighting": [
            f"{RESULTS}/models/initial_reweighting.parquet",
            f"{RESULTS}/models/group_reweighting.parquet",
        ],
    },
    "saliency": SALIENCY,
    "personal_saliency": SALIENCY,
    "identification": {
        "identification": f"{EVALUATION}/individuals/identification.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "generalisation": {
        "generalisation": f"{EVALUATION}/dynamics/generalisation.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "dimensions": {"courses": f"{EVALUATION}/dynamics/dimension_course.parquet"},
    "layers": {
        "alignment": f"{EVALUATION}/layers/layer_alignment.parquet",
        "latency": f"{EVALUATION}/layers/layer_latency.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "personal_reweighting": {
        "reweighting": [
            f"{RESULTS}/models/{model}_reweighting.parquet" for model in MODELS[2:]
        ],
    },
    "complexity": {
        "complexity": f"{EVALUATION}/complexity/alignment.parquet",
        "alignment": f"{EVALUATION}/group/alignment.parquet",
        "ceiling": f"{EVALUATION}/group/ceiling.parquet",
    },
}


rule draw_figure:
    input:
        unpack(lambda wildcards: FIGURE_TABLES[wildcards.figure]),
    output:
        svg=report(
            f"{RESULTS}/figures/{{figure}}.svg",
            caption="../report/figure.rst",
            category=lambda wildcards: CATALOGUE[wildcards.figure].section,
            labels=lambda wildcards: {"figure": CATALOGUE[wildcards.figure].title},
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
        caption=lambda wildcards: CATALOGUE[wildcards.figure].caption,
    script:
        "../scripts/draw_figure.py"


rule animate_saliency:
    input:
        **SALIENCY,
    output:
        report(
            f"{RESULTS}/figures/saliency_animation.gif",
            caption="../report/figure.rst",
            category=CATALOGUE["saliency_animation"].section,
            labels={"figure": CATALOGUE["saliency_animation"].title},
        ),
    log:
        f"{RESULTS}/logs/animate_saliency.log",
    benchmark:
        f"{RESULTS}/benchmarks/animate_saliency.tsv"
    conda:
        ENVIRONMENT
    params:
        note=NOTE,
        caption=CATALOGUE["saliency_animation"].caption,
    script:
        "../scripts/animate_saliency.py"
