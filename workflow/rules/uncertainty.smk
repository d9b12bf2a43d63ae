# How sure the figures are, and what to hold them against.


# Bootstrap by patient over the queries of all models: intervals, paired differences, how often each
# model ranks first.
rule uncertainty:
    input:
        per_query=of_all_models(
            "results/experiments/{experiment}/{model}/metrics/per_query.parquet"
        ),
        catalog="results/experiments/{experiment}/catalog.parquet",
    output:
        intervals=report(
            "results/experiments/{experiment}/uncertainty/intervals.csv",
            caption="../report/uncertainty-tables.rst",
            category="{experiment}",
            subcategory="Uncertainty",
            labels={"what": "intervals (CSV)"},
        ),
        differences=report(
            "results/experiments/{experiment}/uncertainty/differences.csv",
            caption="../report/uncertainty-tables.rst",
            category="{experiment}",
            subcategory="Uncertainty",
            labels={"what": "differences between models (CSV)"},
        ),
        ranks="results/experiments/{experiment}/uncertainty/ranks.csv",
    log:
        "results/logs/uncertainty/{experiment}.log",
    benchmark:
        "results/benchmarks/uncertainty/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        models=experiment_setting("models"),
        bootstrap=project.settings["bootstrap"],
        code=code("uncertainty.py"),
    script:
        "../scripts/uncertainty.py"


# The intervals with the share of first ranks, and every pair of models in a matrix.
rule uncertainty_figures:
    input:
        intervals="results/experiments/{experiment}/uncertainty/intervals.csv",
        differences="results/experiments/{experiment}/uncertainty/differences.csv",
        ranks="results/experiments/{experiment}/uncertainty/ranks.csv",
        bounds="results/experiments/{experiment}/comparison/bounds.csv",
    output:
        intervals=report(
            "results/experiments/{experiment}/uncertainty/intervals.svg",
            caption="../report/uncertainty-intervals.rst",
            category="{experiment}",
            subcategory="Uncertainty",
            labels={"what": "intervals and first ranks"},
        ),
        intervals_pdf="results/experiments/{experiment}/uncertainty/intervals.pdf",
        differences=report(
            "results/experiments/{experiment}/uncertainty/differences.svg",
            caption="../report/uncertainty-differences.rst",
            category="{experiment}",
            subcategory="Uncertainty",
            labels={"what": "differences between models"},
        ),
        differences_pdf="results/experiments/{experiment}/uncertainty/differences.pdf",
    log:
        "results/logs/uncertainty_figures/{experiment}.log",
    benchmark:
        "results/benchmarks/uncertainty_figures/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("uncertainty_figures.py"),
    script:
        "../scripts/uncertainty_figures.py"


# What random neighbors and a perfect encoder would reach: the floor and the ceiling of every
# figure, from the labels alone.
rule bounds:
    input:
        "results/experiments/{experiment}/catalog.parquet",
    output:
        "results/experiments/{experiment}/comparison/bounds.csv",
    log:
        "results/logs/bounds/{experiment}.log",
    benchmark:
        "results/benchmarks/bounds/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("bounds.py"),
    script:
        "../scripts/bounds.py"


localrules:
    uncertainty_figures,
