# The simulated study: pictures, captions, judgements and raw MEG, with the truth behind them.


rule draw_stimuli:
    output:
        stimuli=f"{SOURCE}/stimuli.parquet",
        factors=f"{SOURCE}/factors.parquet",
        dimensions=f"{SOURCE}/dimensions.parquet",
        embedding=f"{SOURCE}/behavior_embedding.parquet",
        triplets=f"{SOURCE}/triplets.parquet",
        images=directory(f"{SOURCE}/images"),
    log:
        f"{RESULTS}/logs/draw_stimuli.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw_stimuli.tsv"
    conda:
        ENVIRONMENT
    threads: demands.draw_pictures(demands.amounts(STUDY).judged).threads
    resources:
        **asks(demands.draw_pictures(demands.amounts(STUDY).judged)),
    params:
        # not the whole section: what only concerns the recordings must not draw new pictures
        simulation=STUDY.simulation.model_dump(
            include={
                "training_images",
                "validation_images",
                "test_images",
                "behavior_images",
                "picture_size",
                "judgement_repetitions",
                "judges",
                "embedding_noise",
            }
        ),
        seeds={
            purpose: STUDY.seed_of("draw_stimuli", purpose)
            for purpose in (
                "factors",
                "pictures",
                "captions",
                "embedding",
                "judgements",
            )
        },
    script:
        "../scripts/draw_stimuli.py"


rule draw_participants:
    output:
        truth=f"{SOURCE}/truth.parquet",
        recordings=f"{SOURCE}/recordings.parquet",
        description=f"{SOURCE}/bids/dataset_description.json",
    log:
        f"{RESULTS}/logs/draw_participants.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw_participants.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asks(demands.small()),
    params:
        participants=STUDY.participants,
        halves=STUDY.halves,
        gain_sd=STUDY.simulation.gain_sd,
        latency_sd_ms=STUDY.simulation.latency_sd_ms,
        anatomy=STUDY.simulation.anatomy,
        seed=STUDY.seed_of("draw_participants"),
    script:
        "../scripts/draw_participants.py"


rule record_participant:
    input:
        stimuli=rules.draw_stimuli.output.stimuli,
        factors=rules.draw_stimuli.output.factors,
        truth=rules.draw_participants.output.truth,
        # the folder's own files come first, so that no participant's job can clash with them
        description=rules.draw_participants.output.description,
    output:
        [recording("{participant}", session) for session in STUDY.sessions],
    log:
        f"{RESULTS}/logs/record_participant/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/record_participant/{{participant}}.tsv"
    priority: 10
    conda:
        ENVIRONMENT
    threads: demands.record(STUDY).threads
    resources:
        **asks(demands.record(STUDY)),
    params:
        sensors=STUDY.simulation.sensors,
        sampling_rate_hz=STUDY.simulation.sampling_rate_hz,
        training_trials=STUDY.simulation.training_trials,
        held_out_trials=STUDY.simulation.held_out_trials,
        signal=STUDY.simulation.signal,
        sessions=STUDY.sessions,
        # one seed for all: the sources are common property, the noise is drawn for each participant and session
        seed=STUDY.seed_of("record_participant"),
    script:
        "../scripts/record_participant.py"
