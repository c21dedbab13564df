# The CLIP that all models start from: a pretrained one, or a small one that the simulated study trains.

if STUDY.backbone.given:

    rule import_backbone:
        input:
            # a tag is downloaded
            weights=STUDY.backbone.files,
        output:
            backbone=BACKBONE,
        log:
            f"{RESULTS}/logs/import_backbone.log",
        benchmark:
            f"{RESULTS}/benchmarks/import_backbone.tsv"
        # machines that compute often have no network
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.import_backbone(STUDY)),
        params:
            backbone=settings(STUDY.backbone),
        script:
            "../scripts/import_backbone.py"

else:

    rule draw_captioned_pictures:
        output:
            table=f"{SOURCE}/captioned_pictures.parquet",
            images=directory(f"{SOURCE}/captioned_pictures"),
        log:
            f"{RESULTS}/logs/draw_captioned_pictures.log",
        benchmark:
            f"{RESULTS}/benchmarks/draw_captioned_pictures.tsv"
        # the longest way through the workflow begins here: before the recordings, which then run beside it
        priority: 50
        conda:
            ENVIRONMENT
        threads: demands.draw_pictures(STUDY.simulation.backbone.pictures).threads
        resources:
            **asks(demands.draw_pictures(STUDY.simulation.backbone.pictures)),
        params:
            pictures=STUDY.simulation.backbone.pictures,
            held_out=STUDY.simulation.backbone.held_out_pictures,
            size=STUDY.simulation.picture_size,
            seeds={
                purpose: STUDY.seed_of("draw_captioned_pictures", purpose)
                for purpose in ("factors", "pictures", "captions")
            },
        script:
            "../scripts/draw_captioned_pictures.py"

    rule pretrain_backbone:
        input:
            pictures=rules.draw_captioned_pictures.output.table,
            images=rules.draw_captioned_pictures.output.images,
        output:
            backbone=BACKBONE,
            quality=f"{RESULTS}/backbone/quality.parquet",
        log:
            f"{RESULTS}/logs/pretrain_backbone.log",
        benchmark:
            f"{RESULTS}/benchmarks/pretrain_backbone.tsv"
        # the longest way through the workflow begins here: before the recordings, which then run beside it
        priority: 50
        conda:
            ENVIRONMENT
        threads: STUDY.compute.threads
        resources:
            **asks(demands.pretrain(STUDY)),
        params:
            backbone=settings(STUDY.simulation.backbone),
            threads=STUDY.compute.threads,
            seed=STUDY.seed_of("pretrain_backbone"),
            version=stages.VERSIONS["pretrain"],
        script:
            "../scripts/pretrain_backbone.py"
