# How sure the figures are.


# Bootstrap by patient over the queries of all models: intervals, paired differences, how often each
# model ranks first.
rule uncertainty:
    input:
        per_query=of_all_models(layout.metrics("per_query.parquet")),
        catalog=layout.POOL,
    output:
        intervals=report(
            layout.of_experiment("uncertainty", "intervals.csv"),
            caption="../../radcbir/analyses/uncertainty/tables.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "intervals (CSV)"},
        ),
        differences=report(
            layout.of_experiment("uncertainty", "differences.csv"),
            caption="../../radcbir/analyses/uncertainty/tables.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "differences between models (CSV)"},
        ),
        ranks=layout.of_experiment("uncertainty", "ranks.csv"),
    log:
        layout.log("uncertainty", "{experiment}"),
    benchmark:
        layout.benchmark("uncertainty", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        models=experiment_setting("models"),
        bootstrap=project.settings["bootstrap"],
        code=code("analyses/uncertainty.py"),
    script:
        "../../scripts/analyses/uncertainty.py"


# The intervals with the share of first ranks, and every pair of models in a matrix.
rule uncertainty_summary:
    input:
        intervals=layout.of_experiment("uncertainty", "intervals.csv"),
        differences=layout.of_experiment("uncertainty", "differences.csv"),
        ranks=layout.of_experiment("uncertainty", "ranks.csv"),
        bounds=layout.comparison("bounds.csv"),
    output:
        intervals_page=report(
            layout.of_experiment("uncertainty", layout.figure_page("intervals")),
            caption="../../radcbir/analyses/uncertainty/intervals.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "intervals and first ranks"},
        ),
        intervals_svg=layout.of_experiment("uncertainty", "intervals.svg"),
        intervals_pdf=layout.of_experiment("uncertainty", "intervals.pdf"),
        differences_page=report(
            layout.of_experiment("uncertainty", layout.figure_page("differences")),
            caption="../../radcbir/analyses/uncertainty/differences.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "differences between models"},
        ),
        differences_svg=layout.of_experiment("uncertainty", "differences.svg"),
        differences_pdf=layout.of_experiment("uncertainty", "differences.pdf"),
    log:
        layout.log("uncertainty_summary", "{experiment}"),
    benchmark:
        layout.benchmark("uncertainty_summary", "{experiment}")
    localrule: True
    conda:
        "../../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        split=first_tested_split,
        figures=dict(analyses.registry()["uncertainty"].figures),
        code=code("analyses/uncertainty_summary.py", figures="uncertainty"),
    script:
        "../../scripts/analyses/uncertainty_summary.py"
