# Figures: drawn from tables alone.

# the report knows nothing but the configuration
config["introduction"] = FACTS.introduction(len(STUDY.participants))
NOTE = FACTS.note()
NOTES = dict.fromkeys(["external", "external_summary"], FACTS.note_of_external_sets())

SALIENCY = {
    kind: f"{EVALUATION}/saliency/{kind}.parquet" for kind in ("saliency", "pictures")
}

# plain CLIP is not trained, nor is a Behavior model that comes from elsewhere
TRAINED_HERE = MODELS[1:] if STUDY.learns_behavior else MODELS[2:]

# What each figure is drawn from; cliphba.figures.catalogue says what these tables are and what is seen.
FIGURE_TABLES = {
    "summary": {"summary": f"{RESULTS}/summary.parquet"},
    "data_quality": {
        "trials": expand(
            f"{RESULTS}/epochs/{{participant}}/{{participant}}_trials.parquet",
            participant=STUDY.participants,
        ),
        "decoding": f"{EVALUATION}/decoding.parquet",
        "reliability": f"{EVALUATION}/reliability.parquet",
    },
    "decoding": {
        "decoding": f"{EVALUATION}/decoding.parquet",
        "latency": f"{EVALUATION}/group/latency.parquet",
    },
    "training": {
        "logs": [
            f"{RESULTS}/models/{model}_training.parquet" for model in TRAINED_HERE
        ],
    },
    "behavior": {
        "rdms": f"{EVALUATION}/judges/behavior_rdm.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "dynamic_behavior": {
        "course": f"{EVALUATION}/judges/behavior_course.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "odd_one_out": {"accuracies": f"{EVALUATION}/judges/odd_one_out.parquet"},
    "alignment": {
        "alignment": f"{EVALUATION}/group/alignment.parquet",
        "ceiling": f"{EVALUATION}/group/ceiling.parquet",
    },
    "latencies": {
        "latency": f"{EVALUATION}/group/latency.parquet",
        "personal": f"{EVALUATION}/individuals/latency.parquet",
    },
    "reweighting": {
        "reweighting": [
            f"{RESULTS}/models/initial_reweighting.parquet",
            f"{RESULTS}/models/group_reweighting.parquet",
        ],
    },
    "saliency": SALIENCY,
    "personal_saliency": SALIENCY,
    "individuals": {
        "alignment": f"{EVALUATION}/individuals/alignment.parquet",
        "group": f"{EVALUATION}/group/alignment.parquet",
        "ceiling": f"{EVALUATION}/group/ceiling.parquet",
        "contrast": f"{EVALUATION}/individuals/contrast.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
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
    "second_order": {
        "second_order": f"{EVALUATION}/individuals/second_order.parquet",
        "summary": f"{RESULTS}/summary.parquet",
    },
    "differences": {"differences": f"{EVALUATION}/individuals/differences.parquet"},
    "ablation": {"ablation": f"{RESULTS}/ablation.parquet"},
    "data_efficiency": {"efficiency": f"{RESULTS}/data_efficiency.parquet"},
    "held_out_participants": {"areas": f"{RESULTS}/held_out_participants.parquet"},
    "external": {
        kind: [external_table(name, kind) for name in STUDY.external_sets]
        for kind in CATALOGUE["external"].tables.values()
    },
}
FIGURE_TABLES = {
    name: tables
    for name, tables in FIGURE_TABLES.items()
    if FACTS.have(CATALOGUE[name])
}


rule draw_figure:
    input:
        unpack(lambda wildcards: FIGURE_TABLES[wildcards.figure]),
    output:
        svg=report(
            f"{RESULTS}/figures/{{figure}}.svg",
            caption="../report/figure.rst",
            category=lambda wildcards: heading(CATALOGUE[wildcards.figure].section),
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
    resources:
        **asks(demands.draw_figure(STUDY)),
    params:
        note=lambda wildcards: NOTES.get(wildcards.figure, NOTE),
        caption=lambda wildcards: FACTS.caption(CATALOGUE[wildcards.figure].caption),
    script:
        "../scripts/draw_figure.py"


rule animate_saliency:
    input:
        **SALIENCY,
    output:
        gif=f"{RESULTS}/figures/saliency_animation.gif",
        # of a GIF the report has nothing to see, only to download
        page=report(
            f"{RESULTS}/figures/saliency_animation.html",
            caption="../report/figure.rst",
            category=heading(CATALOGUE["saliency_animation"].section),
            labels={"figure": CATALOGUE["saliency_animation"].title},
        ),
    log:
        f"{RESULTS}/logs/animate_saliency.log",
    benchmark:
        f"{RESULTS}/benchmarks/animate_saliency.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.draw_figure(STUDY)),
    params:
        note=NOTE,
        caption=FACTS.caption(CATALOGUE["saliency_animation"].caption),
    script:
        "../scripts/animate_saliency.py"
