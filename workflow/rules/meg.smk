# From raw recordings, epochs or published RDMs to time-resolved RDMs, of each half of the sessions where there are any.

RECORDINGS = "bids" if STUDY.data is None else STUDY.data.recordings.kind

if RECORDINGS == "bids":

    if STUDY.data is None:
        RAW = [recording("{participant}", session) for session in STUDY.sessions]
        KNOWN = simulated_recordings(STUDY.sessions)
        # simulated recordings are known to be good
        PAGE = {}
    else:
        RAW = found_recordings
        KNOWN = settings(STUDY.data.recordings)
        PAGE = {"page": f"{RESULTS}/epochs/{{participant}}/{{participant}}_report.html"}

    rule preprocess:
        input:
            raw=RAW,
            names=NAMES,
        output:
            **PAGE,
            epochs=epochs("{participant}", STUDY.sessions),
            trials=f"{RESULTS}/epochs/{{participant}}/{{participant}}_trials.parquet",
        log:
            f"{RESULTS}/logs/preprocess/{{participant}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/preprocess/{{participant}}.tsv"
        # before the test half of anybody is decoded: no model waits for that
        priority: 10
        conda:
            ENVIRONMENT
        threads: demands.preprocess(STUDY).threads
        resources:
            **asks(demands.preprocess(STUDY)),
        params:
            recordings=KNOWN,
            preprocessing=lambda wildcards: settings(
                STUDY.preprocessing.of(wildcards.participant)
            ),
            grid=settings(STUDY.grid),
            seed=STUDY.seed_of("preprocess"),
        script:
            "../scripts/preprocess.py"

elif RECORDINGS == "epochs":

    rule import_epochs:
        input:
            # what OpenNeuro has is no file that a rule makes, but a record that it is there
            lambda wildcards: fetched(wildcards.participant)
            or STUDY.data.recordings.paths(wildcards.participant),
            names=NAMES,
            stimuli=f"{SOURCE}/stimuli.parquet",
        output:
            epochs=epochs("{participant}", STUDY.sessions),
            trials=f"{RESULTS}/epochs/{{participant}}/{{participant}}_trials.parquet",
        log:
            f"{RESULTS}/logs/import_epochs/{{participant}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/import_epochs/{{participant}}.tsv"
        priority: 10
        conda:
            ENVIRONMENT
        threads: demands.preprocess(STUDY).threads
        resources:
            **asks(demands.preprocess(STUDY)),
        params:
            recordings=settings(STUDY.data.recordings),
            grid=settings(STUDY.grid),
        script:
            "../scripts/import_epochs.py"


if STUDY.has_halves:

    rule decode_rdm:
        input:
            epochs=lambda wildcards: epochs(
                wildcards.participant, STUDY.sessions_of(wildcards.half)
            ),
            stimuli=f"{SOURCE}/stimuli.parquet",
        output:
            # of the whole training half, or of its first few sessions ("train-2")
            f"{RESULTS}/rdm/{{participant}}_{{half,train(-[0-9]+)?}}.parquet",
        log:
            f"{RESULTS}/logs/decode_rdm/{{participant}}_{{half}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/decode_rdm/{{participant}}_{{half}}.tsv"
        priority: 10
        conda:
            ENVIRONMENT
        threads: demands.decode(STUDY).threads
        resources:
            **asks(demands.decode(STUDY)),
            **(GPU_REQUEST if STUDY.decoding.device == "cuda" else {}),
        params:
            decoding=settings(STUDY.decoding),
            seed=STUDY.seed_of("decode_rdm"),
            # finished time points, from which a job that was killed goes on
            scratch=f"{RESULTS}/scratch/{{participant}}_{{half}}",
        script:
            "../scripts/decode_rdm.py"

    use rule decode_rdm as decode_test_rdm with:
        output:
            f"{RESULTS}/rdm/{{participant}}_{{half,test}}.parquet",
        log:
            f"{RESULTS}/logs/decode_test_rdm/{{participant}}_{{half}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/decode_test_rdm/{{participant}}_{{half}}.tsv"
        priority: 0

else:

    rule import_rdm:
        input:
            file=lambda wildcards: STUDY.data.recordings.path(wildcards.participant),
            order=STUDY.data.recordings.order_files,
            stimuli=f"{SOURCE}/stimuli.parquet",
        output:
            f"{RESULTS}/rdm/{{participant}}_all.parquet",
        log:
            f"{RESULTS}/logs/import_rdm/{{participant}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/import_rdm/{{participant}}.tsv"
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.import_rdms(STUDY)),
        params:
            rdms=STUDY.data.recordings.model_dump(mode="json", exclude={"kind"}),
            participants=STUDY.participants,
            grid=settings(STUDY.grid),
        script:
            "../scripts/import_rdm.py"
