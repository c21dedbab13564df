# External sets of a simulated study: new pictures, rendered in other ways, and simulated people who look at them.


rule draw_external_stimuli:
    output:
        stimuli=f"{SET_SOURCE}/stimuli.parquet",
        factors=f"{SET_SOURCE}/factors.parquet",
        # what of them can be seen, to which brains respond
        visible=f"{SET_SOURCE}/visible_factors.parquet",
        images=directory(f"{SET_SOURCE}/images"),
    log:
        f"{RESULTS}/logs/{SET}/draw_external_stimuli.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/draw_external_stimuli.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        **asks(
            demands.draw_pictures(
                max((one.images for one in STUDY.external_sets.values()), default=0)
            )
        ),
    params:
        rendering=external_setting("rendering"),
        images=external_setting("images"),
        size=STUDY.simulation.picture_size,
        seeds=lambda wildcards: {
            purpose: STUDY.seed_of(
                "draw_external_stimuli", wildcards.image_set, purpose
            )
            for purpose in ("factors", "pictures", "captions")
        },
    script:
        "../scripts/draw_external_stimuli.py"


use rule draw_participants as draw_external_participants with:
    output:
        truth=f"{SET_SOURCE}/truth.parquet",
        recordings=f"{SET_SOURCE}/recordings.parquet",
        description=f"{SET_SOURCE}/bids/dataset_description.json",
    log:
        f"{RESULTS}/logs/{SET}/draw_external_participants.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/draw_external_participants.tsv"
    params:
        participants=external_setting("participants"),
        halves={"all": STUDY.external_sessions},
        gain_sd=STUDY.simulation.gain_sd,
        latency_sd_ms=STUDY.simulation.latency_sd_ms,
        anatomy=STUDY.simulation.anatomy,
        seed=lambda wildcards: STUDY.seed_of(
            "draw_external_participants", wildcards.image_set
        ),


use rule record_participant as record_external_participant with:
    input:
        stimuli=rules.draw_external_stimuli.output.stimuli,
        factors=rules.draw_external_stimuli.output.visible,
        truth=rules.draw_external_participants.output.truth,
        description=rules.draw_external_participants.output.description,
    output:
        [
            recording("{participant}", session, SET_SOURCE)
            for session in STUDY.external_sessions
        ],
    log:
        f"{RESULTS}/logs/{SET}/record_external_participant/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/record_external_participant/{{participant}}.tsv"
    wildcard_constraints:
        participant="|".join(STRANGERS),
    # no model waits for these people
    priority: 0
    params:
        sensors=STUDY.simulation.sensors,
        sampling_rate_hz=STUDY.simulation.sampling_rate_hz,
        training_trials=0,
        held_out_trials=external_setting("trials"),
        signal=STUDY.simulation.signal,
        sessions=STUDY.external_sessions,
        # the sources are those of the study's participants, the noise is drawn for each participant and session
        seed=STUDY.seed_of("record_participant"),


use rule preprocess as preprocess_external with:
    input:
        raw=rules.record_external_participant.output,
    output:
        epochs=epochs("{participant}", STUDY.external_sessions, SET_EPOCHS),
        trials=f"{SET_EPOCHS}/{{participant}}/{{participant}}_trials.parquet",
    log:
        f"{RESULTS}/logs/{SET}/preprocess_external/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/preprocess_external/{{participant}}.tsv"
    wildcard_constraints:
        participant="|".join(STRANGERS),
    priority: 0
    params:
        recordings=lambda wildcards: simulated_recordings(
            STUDY.external_sessions, SET_SOURCE.format(**wildcards)
        ),
        preprocessing=settings(STUDY.preprocessing),
        grid=settings(STUDY.grid),
        seed=STUDY.seed_of("preprocess"),


use rule decode_rdm as decode_external_rdm with:
    input:
        epochs=rules.preprocess_external.output.epochs,
        stimuli=rules.draw_external_stimuli.output.stimuli,
    output:
        f"{RESULTS}/rdm/{SET}/{{participant}}.parquet",
    log:
        f"{RESULTS}/logs/{SET}/decode_external_rdm/{{participant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SET}/decode_external_rdm/{{participant}}.tsv"
    wildcard_constraints:
        participant="|".join(STRANGERS),
    priority: 0
    params:
        decoding=settings(STUDY.decoding),
        seed=STUDY.seed_of("decode_rdm"),
        scratch=f"{RESULTS}/scratch/{SET}/{{participant}}",
