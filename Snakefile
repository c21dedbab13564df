# Vision models that see as people do: from raw MEG and human judgements to a model of each person.
#   snakemake --cores 1 check                        what is there of a study, what is wrong with it, what it will take
#   snakemake --cores 8 all                          everything, on the demo study
#   snakemake --cores 8 personalized_models          one model for each participant
#   snakemake --cores 8 ablations                    what is worth what; also data_efficiency, held_out_participants

from snakemake.exceptions import WorkflowError

from cliphba import ablations, stages, variants
from cliphba.config import ConfigurationError, load_study

# only where no study was named, so that nothing of the demo leaks into another study
if not workflow.configfiles:

    configfile: "config/config.yaml"


try:
    STUDY = load_study(config)
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{STUDY.name}"


wildcard_constraints:
    participant="|".join(STUDY.participants),
    half="train(-[0-9]+)?|test|all",


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/source.smk"
include: "workflow/rules/backbone.smk"
include: "workflow/rules/meg.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/external.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/variants.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/check.smk"


rule all:
    default_target: True
    input:
        multiext(f"{RESULTS}/summary", ".parquet", ".md", ".html"),
        f"{RESULTS}/headlines.html",
        EXTERNAL_SUMMARY if STUDY.external_sets else [],
        figures("all"),
        rules.animate_saliency.output,


rule personalized_models:
    input:
        expand(
            f"{RESULTS}/models/{{participant}}.safetensors",
            participant=STUDY.participants,
        ),
