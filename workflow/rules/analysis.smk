# All models of an experiment side by side: tables first, figures and pages from the tables.


# Stacks the models' tables; the only rule that reruns for all when a model comes or goes.
rule compare:
    input:
        precision=of_all_models("results/experiments/{experiment}/{model}/metrics/precision.csv"),
        summary=of_all_models("results/experiments/{experiment}/{model}/metrics/summary.csv"),
        by_group=of_all_models("results/experiments/{experiment}/{model}/metrics/by_group.csv"),
    output:
        precision="results/experiments/{experiment}/comparison/precision.csv",
        summary=report(
            "results/experiments/{experiment}/comparison/summary.csv",
            caption="../report/summary.rst",
            category="{experiment}",
            labels={"what": "all metrics (CSV)"},
        ),
        by_group=report(
            "results/experiments/{experiment}/comparison/by_group.csv",
            caption="../report/by_group.rst",
            category="{experiment}",
            labels={"what": "metrics by modality, region and label (CSV)"},
        ),
    log:
        "results/logs/compare/{experiment}.log",
    benchmark:
        "results/benchmarks/compare/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        models=experiment_setting("models"),
        code=code("compare.py"),
    script:
        "../scripts/compare.py"


# P@k curves, and P@1 by modality and region; SVG for the screen, PDF for papers.
rule figures:
    input:
        precision="results/experiments/{experiment}/comparison/precision.csv",
        by_group="results/experiments/{experiment}/comparison/by_group.csv",
    output:
        curves=report(
            "results/experiments/{experiment}/comparison/precision-at-k.svg",
            caption="../report/precision-at-k.rst",
            category="{experiment}",
            labels={"what": "P@k curves"},
        ),
        curves_pdf="results/experiments/{experiment}/comparison/precision-at-k.pdf",
        groups=report(
            "results/experiments/{experiment}/comparison/precision-by-group.svg",
            caption="../report/precision-by-group.rst",
            category="{experiment}",
            labels={"what": "P@1 by modality and region"},
        ),
        groups_pdf="results/experiments/{experiment}/comparison/precision-by-group.pdf",
    log:
        "results/logs/figures/{experiment}.log",
    benchmark:
        "results/benchmarks/figures/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("figures.py"),
    script:
        "../scripts/figures.py"


# The table of models: headline metrics between what random neighbors and a perfect encoder reach,
# best marked, licence and training data; with intervals, and what cannot be told from the best,
# where the analysis `uncertainty` is asked for.
rule model_table:
    input:
        summary="results/experiments/{experiment}/comparison/summary.csv",
        counts="results/experiments/{experiment}/counts.csv",
        bounds="results/experiments/{experiment}/comparison/bounds.csv",
        intervals=uncertainty_table("intervals"),
        differences=uncertainty_table("differences"),
        template=template("models"),
        base=template("page"),
    output:
        report(
            "results/experiments/{experiment}/comparison/models.html",
            caption="../report/models.rst",
            category="{experiment}",
            labels={"what": "table of models"},
        ),
    log:
        "results/logs/model_table/{experiment}.log",
    benchmark:
        "results/benchmarks/model_table/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        k=experiment_setting("k"),
        index=experiment_setting("index"),
        index_split=experiment_setting("index_split"),
        statuses=contamination_statuses,
        code=code("model_table.py"),
    script:
        "../scripts/model_table.py"


# P@1 of every model by modality, region and label, with the number of index images and queries
# behind each figure.
rule label_table:
    input:
        by_group="results/experiments/{experiment}/comparison/by_group.csv",
        template=template("labels"),
        base=template("page"),
    output:
        report(
            "results/experiments/{experiment}/comparison/labels.html",
            caption="../report/labels.rst",
            category="{experiment}",
            labels={"what": "table of labels"},
        ),
    log:
        "results/logs/label_table/{experiment}.log",
    benchmark:
        "results/benchmarks/label_table/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("label_table.py"),
    script:
        "../scripts/label_table.py"


localrules:
    compare,
    figures,
    model_table,
    label_table,
