# How well every model agrees with people, on images and sessions that no training saw, as far as a study has such.

SHARED = ["clip", "behavior", "group"]
MODELS = [*SHARED, *STUDY.participants]
TOWERS = ["clip", "group"]
# the one that models are compared with, and the other one, if there is one
HALF = (
    STUDY.test_half
    if STUDY.protocol.evaluated_on == "held_out"
    else STUDY.training_half
)
OTHER_HALF = [path for half in STUDY.halves if half != HALF for path in rdms(half)]
EVALUATION = f"{RESULTS}/evaluation"
PROCEDURE = {**settings(STUDY.evaluation), "seed": STUDY.seed_of("evaluate")}
COMPARED = {"evaluated_on": STUDY.protocol.evaluated_on, **HALVES_OF}
# what people said of test images: single judgements or their RDM; and the embedding that Behavior learnt
HUMAN_RDM, TRIPLETS = f"{SOURCE}/human_rdm.parquet", f"{SOURCE}/triplets.parquet"
JUDGEMENTS = {"triplets": TRIPLETS} if STUDY.has_triplets else {"pairs": HUMAN_RDM}
LEARNT = (
    {"embedding": f"{SOURCE}/behavior_embedding.parquet"}
    if STUDY.learns_behavior
    else {}
)
# evaluations that claim something
CLAIMED = [
    *(["judges"] if STUDY.judged else []),
    *("group", "individuals", "dynamics", "complexity", "layers"),
    *(["truth"] if STUDY.simulation is not None else []),
]


rule embed:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        # plain CLIP has no checkpoint of its own
        models=expand(f"{RESULTS}/models/{{model}}.safetensors", model=MODELS[1:]),
    output:
        [embedding(model) for model in MODELS],
    log:
        f"{RESULTS}/logs/embed.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        **asks_gpu(demands.embed(STUDY, models=len(MODELS))),
    params:
        compute=settings(STUDY.compute),
        images=STUDY.protocol.images,
    script:
        "../scripts/embed.py"


if STUDY.judged:

    rule evaluate_judges:
        input:
            **LEARNT,
            **JUDGEMENTS,
            embeddings=rules.embed.output,
            stimuli=f"{SOURCE}/stimuli.parquet",
        output:
            **(
                {"odd_one_out": f"{EVALUATION}/judges/odd_one_out.parquet"}
                if STUDY.has_triplets
                else {}
            ),
            behavior_rdm=f"{EVALUATION}/judges/behavior_rdm.parquet",
            behavior_course=f"{EVALUATION}/judges/behavior_course.parquet",
            summary=f"{EVALUATION}/judges/summary.parquet",
        log:
            f"{RESULTS}/logs/evaluate_judges.log",
        benchmark:
            f"{RESULTS}/benchmarks/evaluate_judges.tsv"
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.evaluate(STUDY, models=len(MODELS))),
        params:
            procedure=PROCEDURE,
            images_held_out=images_held_out(STUDY),
        script:
            "../scripts/evaluate_judges.py"


rule evaluate_group:
    input:
        clip=embedding("clip"),
        behavior=embedding("behavior"),
        group=embedding("group"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        measured=rdms(HALF),
        other_half=OTHER_HALF,
    output:
        alignment=f"{EVALUATION}/group/alignment.parquet",
        contrast=f"{EVALUATION}/group/contrast.parquet",
        ceiling=f"{EVALUATION}/group/ceiling.parquet",
        latency=f"{EVALUATION}/group/latency.parquet",
        summary=f"{EVALUATION}/group/summary.parquet",
    log:
        f"{RESULTS}/logs/evaluate_group.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_group.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.evaluate(STUDY, models=3)),
    params:
        procedure=PROCEDURE,
        compared=COMPARED,
        images_held_out=images_held_out(STUDY),
        held_out_participants=STUDY.held_out_participants,
    script:
        "../scripts/evaluate_group.py"


rule evaluate_individuals:
    input:
        personal=[embedding(participant) for participant in STUDY.participants],
        group=embedding("group"),
        reweighting=expand(
            f"{RESULTS}/models/{{participant}}_reweighting.parquet",
            participant=STUDY.participants,
        ),
        stimuli=f"{SOURCE}/stimuli.parquet",
        measured=rdms(HALF),
        other_half=OTHER_HALF,
    output:
        alignment=f"{EVALUATION}/individuals/alignment.parquet",
        contrast=f"{EVALUATION}/individuals/contrast.parquet",
        latency=f"{EVALUATION}/individuals/latency.parquet",
        identification=f"{EVALUATION}/individuals/identification.parquet",
        differences=f"{EVALUATION}/individuals/differences.parquet",
        second_order=f"{EVALUATION}/individuals/second_order.parquet",
        summary=f"{EVALUATION}/individuals/summary.parquet",
    log:
        f"{RESULTS}/logs/evaluate_individuals.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_individuals.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.evaluate(STUDY, models=len(MODELS))),
    params:
        procedure=PROCEDURE,
        compared=COMPARED,
        images_held_out=images_held_out(STUDY),
    script:
        "../scripts/evaluate_individuals.py"


# Images that models and brains are compared on, through the vision towers under the models, block by block.
rule embed_blocks:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        # plain CLIP has no checkpoint of its own
        models=[f"{RESULTS}/models/group.safetensors"],
    output:
        [f"{RESULTS}/embeddings/blocks/{tower}.parquet" for tower in TOWERS],
    log:
        f"{RESULTS}/logs/embed_blocks.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed_blocks.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        **asks_gpu(demands.embed(STUDY, models=len(TOWERS))),
    params:
        compute=settings(STUDY.compute),
        images=STUDY.protocol.images,
        evaluated_on=STUDY.protocol.evaluated_on,
    script:
        "../scripts/embed_blocks.py"


rule evaluate_layers:
    input:
        towers=rules.embed_blocks.output,
        measured=rdms(HALF),
    output:
        layer_alignment=f"{EVALUATION}/layers/layer_alignment.parquet",
        layer_latency=f"{EVALUATION}/layers/layer_latency.parquet",
        summary=f"{EVALUATION}/layers/summary.parquet",
    log:
        f"{RESULTS}/logs/evaluate_layers.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_layers.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(
            demands.evaluate(STUDY, models=len(TOWERS) * demands.clip_of(STUDY).blocks)
        ),
    params:
        procedure=PROCEDURE,
        compared=COMPARED,
        images_held_out=images_held_out(STUDY),
    script:
        "../scripts/evaluate_layers.py"


rule evaluate_dynamics:
    input:
        group=embedding("group"),
        personal=[embedding(participant) for participant in STUDY.participants],
        stimuli=f"{SOURCE}/stimuli.parquet",
        measured=rdms(HALF),
        other_half=OTHER_HALF,
    output:
        generalisation=f"{EVALUATION}/dynamics/generalisation.parquet",
        dimension_course=f"{EVALUATION}/dynamics/dimension_course.parquet",
        summary=f"{EVALUATION}/dynamics/summary.parquet",
    log:
        f"{RESULTS}/logs/evaluate_dynamics.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_dynamics.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.evaluate(STUDY, models=len(MODELS))),
    params:
        procedure=PROCEDURE,
        compared=COMPARED,
        images_held_out=images_held_out(STUDY),
    script:
        "../scripts/evaluate_dynamics.py"


rule evaluate_complexity:
    input:
        group=embedding("group"),
        stimuli=f"{SOURCE}/stimuli.parquet",
        measured=rdms(HALF),
    output:
        complexity=f"{EVALUATION}/complexity/complexity.parquet",
        alignment=f"{EVALUATION}/complexity/alignment.parquet",
        summary=f"{EVALUATION}/complexity/summary.parquet",
    log:
        f"{RESULTS}/logs/evaluate_complexity.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_complexity.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.evaluate(STUDY, models=3)),
    params:
        procedure=PROCEDURE,
        compared=COMPARED,
        images_held_out=images_held_out(STUDY),
    script:
        "../scripts/evaluate_complexity.py"


if STUDY.simulation is not None:

    rule recover_truth:
        input:
            personal=[embedding(participant) for participant in STUDY.participants],
            stimuli=f"{SOURCE}/stimuli.parquet",
            factors=f"{SOURCE}/factors.parquet",
            truth=f"{SOURCE}/truth.parquet",
            training_half=rdms("train"),
            test_half=rdms("test"),
        output:
            f"{EVALUATION}/truth/summary.parquet",
        log:
            f"{RESULTS}/logs/recover_truth.log",
        benchmark:
            f"{RESULTS}/benchmarks/recover_truth.tsv"
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.evaluate(STUDY, models=len(MODELS))),
        params:
            procedure=PROCEDURE,
            images_held_out=images_held_out(STUDY),
        script:
            "../scripts/recover_truth.py"


rule map_saliency:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        models=expand(
            f"{RESULTS}/models/{{model}}.safetensors",
            model=["group", *STUDY.participants],
        ),
    output:
        saliency=f"{EVALUATION}/saliency/saliency.parquet",
        pictures=f"{EVALUATION}/saliency/pictures.parquet",
    log:
        f"{RESULTS}/logs/map_saliency.log",
    benchmark:
        f"{RESULTS}/benchmarks/map_saliency.tsv"
    conda:
        ENVIRONMENT
    threads: STUDY.compute.threads
    resources:
        **asks_gpu(demands.map_saliency(STUDY, models=1 + len(STUDY.participants))),
    params:
        compute=settings(STUDY.compute),
        images=STUDY.protocol.images,
        saliency=settings(STUDY.saliency),
        seed=STUDY.seed_of("map_saliency"),
    script:
        "../scripts/map_saliency.py"


rule summarise:
    input:
        [f"{EVALUATION}/{part}/summary.parquet" for part in CLAIMED],
    output:
        f"{RESULTS}/summary.parquet",
    log:
        f"{RESULTS}/logs/summarise.log",
    benchmark:
        f"{RESULTS}/benchmarks/summarise.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.small()),
    params:
        kind="summary",
        settings={**PROCEDURE, **HALVES_OF},
    script:
        "../scripts/summarise.py"


rule describe_decoding:
    input:
        rdms=[path for half in STUDY.halves for path in rdms(half)],
        stimuli=f"{SOURCE}/stimuli.parquet",
    output:
        **(
            {"reliability": f"{EVALUATION}/reliability.parquet"}
            if STUDY.has_halves
            else {}
        ),
        decoding=f"{EVALUATION}/decoding.parquet",
        curves=f"{EVALUATION}/curves.parquet",
    log:
        f"{RESULTS}/logs/describe_decoding.log",
    benchmark:
        f"{RESULTS}/benchmarks/describe_decoding.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.describe(STUDY)),
    params:
        group_participants=STUDY.group_participants,
        halves=list(STUDY.halves),
        data=HALVES_OF,
    script:
        "../scripts/describe_decoding.py"
