# radcbir: how well do vision foundation models, used off the shelf, find similar radiological images?
#
# dataset CSV -> catalog -> shards -> embeddings -> index -> neighbors -> metrics -> comparison -> report
#
# This file names the targets and the stages; what passes between them is described in README.md ("How the files lie").

from snakemake.utils import min_version

min_version("9.27")


# `--configfile my.yaml` replaces the default configuration: it is not merged into it.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/embeddings.smk"
include: "workflow/rules/retrieval.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/report.smk"


# One run at a time in a folder. The lock is the process's own (Snakemake's outlives a run that was killed, and the user
# would have to unlock by hand), so the default profile switches Snakemake's off.
onstart:
    refuse_second_run()


# Everything that the configuration names.
rule all:
    default_target: True
    input:
        comparisons(),
        galleries(),
        ledgers(),
        "results/provenance/provenance.html",


# Only the embeddings: what a GPU machine has to do.
rule embeddings:
    input:
        embedding_files(),


# Only the weights: what a machine with network has to do for one without.
rule weights:
    input:
        weight_files(),
