# The workflow is in workflow/Snakefile. This file makes `snakemake` find it from here.


include: "workflow/Snakefile"


# What `snakemake` makes without a target: Snakemake does not take this from an included file.
rule default:
    default_target: True
    input:
        rules.all.input,
