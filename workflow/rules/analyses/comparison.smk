# The retrieval metrics of all models of an experiment side by side.


# What random neighbors and a perfect encoder would reach, from the labels alone.
rule bounds:
    input:
        layout.POOL,
    output:
        layout.comparison("bounds.csv"),
    log:
        layout.log("bounds", "{experiment}"),
    benchmark:
        layout.benchmark("bounds", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/bounds.py"),
    script:
        "../../scripts/analyses/bounds.py"


# Stacks the models' tables, draws P@k curves and P@1 by modality and region, and lists P@1 by label.
rule comparison_summary:
    input:
        precision=of_all_models(layout.metrics("precision.csv")),
        summary=of_all_models(layout.metrics("summary.csv")),
        by_group=of_all_models(layout.metrics("by_group.csv")),
        per_query=of_all_models(layout.metrics("per_query.parquet")),
        catalog=layout.POOL,
    output:
        precision=layout.comparison("precision.csv"),
        summary=report(
            layout.comparison("summary.csv"),
            caption="../../radcbir/analyses/comparison/summary.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "all metrics (CSV)"},
        ),
        by_group=report(
            layout.comparison("by_group.csv"),
            caption="../../radcbir/analyses/comparison/by_group.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Errors"),
            labels={"what": "metrics by modality, region and label (CSV)"},
        ),
        precision_at_k_page=report(
            layout.comparison(layout.figure_page("precision_at_k")),
            caption="../../radcbir/analyses/comparison/precision_at_k.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "P@k curves"},
        ),
        precision_at_k_svg=layout.comparison("precision_at_k.svg"),
        precision_at_k_pdf=layout.comparison("precision_at_k.pdf"),
        precision_by_group_page=report(
            layout.comparison(layout.figure_page("precision_by_group")),
            caption="../../radcbir/analyses/comparison/precision_by_group.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Errors"),
            labels={"what": "P@1 by modality and region"},
        ),
        precision_by_group_svg=layout.comparison("precision_by_group.svg"),
        precision_by_group_pdf=layout.comparison("precision_by_group.pdf"),
        page=report(
            layout.comparison("labels.html"),
            caption="../../radcbir/analyses/comparison/labels.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Errors"),
            labels={"what": "table of labels"},
        ),
    log:
        layout.log("comparison_summary", "{experiment}"),
    benchmark:
        layout.benchmark("comparison_summary", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        cards=experiment_cards,
        split=first_tested_split,
        figures=dict(analyses.registry()["comparison"].figures),
        code=code(
            "analyses/comparison_summary.py",
            template="analyses/comparison/labels.html.j2",
            figures="comparison",
        ),
    script:
        "../../scripts/analyses/comparison_summary.py"


# The table of models: headline metrics between what random neighbors and a perfect encoder reach,
# the best value marked, licence and training data. With the analysis `uncertainty` it also has
# intervals, and marks the models that do not differ from the best.
rule model_table:
    input:
        summary=layout.comparison("summary.csv"),
        counts=layout.COUNTS,
        bounds=layout.comparison("bounds.csv"),
        intervals=uncertainty_table("intervals"),
        differences=uncertainty_table("differences"),
    output:
        report(
            layout.comparison("models.html"),
            caption="../../radcbir/analyses/comparison/models.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "table of models"},
        ),
    log:
        layout.log("model_table", "{experiment}"),
    benchmark:
        layout.benchmark("model_table", "{experiment}")
    localrule: True
    conda:
        "../../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        k=experiment_setting("k"),
        index=experiment_setting("index"),
        index_split=experiment_setting("index_split"),
        statuses=contamination_statuses,
        code=code("analyses/model_table.py", template="analyses/comparison/models.html.j2"),
    script:
        "../../scripts/analyses/model_table.py"
