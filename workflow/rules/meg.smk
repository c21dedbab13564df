# From raw recordings to time-resolved RDMs of each half of the sessions.


rule preprocess:
    input:
        raw=[recording("{participant}", session) for session in STUDY.sessions],
    output:
        epochs=epochs("{participant}", STUDY.sessions),
        trials=f"{RESULTS}/epochs/{{participant}}/{{participant}}_trials.parquet",
    log:
        f"{RESULTS}/logs/preprocess/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/preprocess/{{participant}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    params:
        sessions=STUDY.sessions,
        preprocessing=settings(STUDY.preprocessing),
        grid=settings(STUDY.grid),
    script:
        "../scripts/preprocess.py"


rule decode_rdm:
    input:
        epochs=lambda wildcards: epochs(
            wildcards.participant, STUDY.halves[wildcards.half]
        ),
        stimuli=f"{SOURCE}/stimuli.parquet",
    output:
        f"{RESULTS}/rdm/{{participant}}_{{half}}.parquet",
    log:
        f"{RESULTS}/logs/decode_rdm/{{participant}}_{{half}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/decode_rdm/{{participant}}_{{half}}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    params:
        decoding=settings(STUDY.decoding),
    script:
        "../scripts/decode_rdm.py"
