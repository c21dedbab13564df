# Files of a real study that come from elsewhere: what stands under `downloads`, and recordings from OpenNeuro. All are
# local rules, for a cluster's nodes seldom see the world.

import re

# archives become folders, of which Snakemake wants to know
DOWNLOADS = {str(path_of(entry.to)): entry for entry in STUDY.downloads}
FILES = {to: entry for to, entry in DOWNLOADS.items() if entry.members is None}
ARCHIVES = {to: entry for to, entry in DOWNLOADS.items() if entry.members is not None}


if FILES:

    rule download:
        output:
            "{file}",
        log:
            f"{RESULTS}/logs/download/{{file}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/download/{{file}}.tsv"
        wildcard_constraints:
            file="|".join(map(re.escape, FILES)),
        retries: 1
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.small()),
        params:
            entry=lambda wildcards: settings(FILES[wildcards.file]),
        script:
            "../scripts/download.py"


if ARCHIVES:

    rule download_archive:
        output:
            directory("{folder}"),
        log:
            f"{RESULTS}/logs/download_archive/{{folder}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/download_archive/{{folder}}.tsv"
        wildcard_constraints:
            folder="|".join(map(re.escape, ARCHIVES)),
        retries: 1
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.small()),
        params:
            entry=lambda wildcards: settings(ARCHIVES[wildcards.folder]),
        script:
            "../scripts/download.py"


if OPENNEURO is not None:

    rule fetch_dataset:
        output:
            str(OPENNEURO.record("dataset")),
        log:
            f"{RESULTS}/logs/fetch_dataset.log",
        benchmark:
            f"{RESULTS}/benchmarks/fetch_dataset.tsv"
        retries: 1
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.small()),
        params:
            openneuro=settings(OPENNEURO),
            files=OPENNEURO.shared_files,
        script:
            "../scripts/fetch_recordings.py"

    rule fetch_recordings:
        input:
            # the folder's own files come first, so that no participant's job can clash with them
            rules.fetch_dataset.output if OPENNEURO.shared_files else [],
        output:
            str(OPENNEURO.record("{participant}{session}")),
        log:
            f"{RESULTS}/logs/fetch_recordings/{{participant}}{{session}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/fetch_recordings/{{participant}}{{session}}.tsv"
        wildcard_constraints:
            session="(_ses-[0-9A-Za-z]+)?",
        retries: 1
        localrule: True
        conda:
            ENVIRONMENT
        resources:
            **asks(demands.small()),
        params:
            openneuro=settings(OPENNEURO),
            files=lambda wildcards: OPENNEURO.files_of(
                wildcards.participant, wildcards.session.removeprefix("_")
            ),
        script:
            "../scripts/fetch_recordings.py"
