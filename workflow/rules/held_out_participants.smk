# Does the group model hold for people whom it has never seen? For each participant a group model from all others.


use rule embed as embed_group_of_variant with:
    input:
        backbone=BACKBONE,
        stimuli=f"{SOURCE}/stimuli.parquet",
        models=finished(["group"]),
    output:
        f"{RESULTS}/{{family,held_out_participants}}/{{variant}}/embeddings/group.parquet",
    log:
        f"{RESULTS}/logs/{{family}}/{{variant}}/embed.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{family}}/{{variant}}/embed.tsv"


rule compare_held_out_participants:
    input:
        held_out=expand(
            f"{RESULTS}/held_out_participants/{{variant}}/embeddings/group.parquet",
            variant=FAMILIES["held_out_participants"],
        ),
        models=[embedding(model) for model in ("clip", "behavior", "group")],
        stimuli=f"{SOURCE}/stimuli.parquet",
        rdms=rdms(STUDY.test_half),
    output:
        f"{RESULTS}/held_out_participants.parquet",
    log:
        f"{RESULTS}/logs/compare_held_out_participants.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_held_out_participants.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **asks(demands.evaluate(STUDY, models=3 + len(STUDY.participants))),
    params:
        group_participants=STUDY.group_participants,
        images_held_out=images_held_out(STUDY),
        procedure=PROCEDURE,
        data=HALVES_OF,
    script:
        "../scripts/compare_held_out_participants.py"


# not part of `all`
rule held_out_participants:
    input:
        rules.compare_held_out_participants.output,
        multiext(f"{RESULTS}/held_out_participants", ".md", ".html"),
        figures("held_out_participants"),
