# From the files that a provider hands out to a dataset CSV, for datasets with `prepare:` in place
# of `csv:`.


# Reads the provider's metadata, splits by patient and selects images, as the options under
# `prepare:` say.
rule prepare:
    input:
        unpack(provider_files),
    output:
        csv=project.prepared_csv,
        counts="results/datasets/{dataset}/preparation.csv",
    log:
        "results/logs/prepare/{dataset}.log",
    benchmark:
        "results/benchmarks/prepare/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        options=preparation_options,
        images=original_images,
        listing=folder_listing,
        code=preparation_code,
    script:
        "../scripts/prepare.py"


# The counts after each step as a page of the report.
rule preparation_table:
    input:
        counts="results/datasets/{dataset}/preparation.csv",
        template=template("preparation"),
        base=template("page"),
    output:
        report(
            "results/datasets/{dataset}/preparation.html",
            caption="../report/preparation.rst",
            category="Data",
            labels={"dataset": "{dataset}", "what": "preparation, step by step"},
        ),
    log:
        "results/logs/preparation_table/{dataset}.log",
    benchmark:
        "results/benchmarks/preparation_table/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        options=preparation_options,
        code=code("preparation_table.py"),
    script:
        "../scripts/preparation_table.py"


localrules:
    preparation_table,
