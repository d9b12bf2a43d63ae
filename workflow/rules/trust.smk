# What decides whether a figure is to be trusted: leakage, shortcuts, other datasets, partly right
# neighbors, contamination.


# P@k with and without neighbors of the query's patient, of its study, and near duplicates by hash
# and by embedding.
rule leakage:
    input:
        neighbors=all_neighbor_tables,
        embeddings=all_experiment_embeddings,
        catalog="results/experiments/{experiment}/catalog.parquet",
        near_duplicates=near_duplicates,
        template=template("tables"),
        base=template("page"),
    output:
        table="results/experiments/{experiment}/comparison/leakage.csv",
        pairs="results/experiments/{experiment}/comparison/embedding_duplicates.csv",
        page=report(
            "results/experiments/{experiment}/comparison/leakage.html",
            caption="../report/leakage.rst",
            category="{experiment}",
            labels={"what": "leakage: patients, studies, near duplicates (table)"},
        ),
        figure=report(
            "results/experiments/{experiment}/comparison/leakage.svg",
            caption="../report/leakage_figure.rst",
            category="{experiment}",
            labels={"what": "leakage"},
        ),
        figure_pdf="results/experiments/{experiment}/comparison/leakage.pdf",
    log:
        "results/logs/leakage/{experiment}.log",
    benchmark:
        "results/benchmarks/leakage/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        cards=experiment_cards,
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        judges=duplicate_judges,
        similarity=project.settings["audit"]["similarity"],
        code=code("leakage.py"),
    script:
        "../scripts/leakage.py"


# How often the nearest neighbor shares dataset, source, view, sex or age, beside how often it
# shares the finding.
rule shortcuts:
    input:
        neighbors=all_neighbor_tables,
        embeddings=all_experiment_embeddings,
        catalog="results/experiments/{experiment}/catalog.parquet",
        template=template("tables"),
        base=template("page"),
    output:
        table="results/experiments/{experiment}/comparison/shortcuts.csv",
        page=report(
            "results/experiments/{experiment}/comparison/shortcuts.html",
            caption="../report/shortcuts.rst",
            category="{experiment}",
            labels={"what": "shortcuts: what else neighbors share (table)"},
        ),
        figure=report(
            "results/experiments/{experiment}/comparison/shortcuts.svg",
            caption="../report/shortcuts_figure.rst",
            category="{experiment}",
            labels={"what": "shortcuts"},
        ),
        figure_pdf="results/experiments/{experiment}/comparison/shortcuts.pdf",
    log:
        "results/logs/shortcuts/{experiment}.log",
    benchmark:
        "results/benchmarks/shortcuts/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        cards=experiment_cards,
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("shortcuts.py"),
    script:
        "../scripts/shortcuts.py"


# nDCG with neighbors that are partly right, by label sets and by label paths.
rule graded_relevance:
    input:
        neighbors=all_neighbor_tables,
        embeddings=all_experiment_embeddings,
        catalog="results/experiments/{experiment}/catalog.parquet",
        template=template("tables"),
        base=template("page"),
    output:
        table="results/experiments/{experiment}/comparison/graded_relevance.csv",
        page=report(
            "results/experiments/{experiment}/comparison/graded_relevance.html",
            caption="../report/graded_relevance.rst",
            category="{experiment}",
            labels={"what": "graded relevance (table)"},
        ),
        figure=report(
            "results/experiments/{experiment}/comparison/graded_relevance.svg",
            caption="../report/graded_relevance_figure.rst",
            category="{experiment}",
            labels={"what": "graded relevance"},
        ),
        figure_pdf="results/experiments/{experiment}/comparison/graded_relevance.pdf",
    log:
        "results/logs/graded_relevance/{experiment}.log",
    benchmark:
        "results/benchmarks/graded_relevance/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        cards=experiment_cards,
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        k=experiment_setting("k"),
        code=code("graded_relevance.py"),
    script:
        "../scripts/graded_relevance.py"


# Queries of each dataset in the index images of each dataset, by exact searches of one model.
rule cross_dataset:
    input:
        neighbors=neighbor_tables,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
    output:
        matrix="results/experiments/{experiment}/{model}/metrics/cross_dataset.csv",
        purity="results/experiments/{experiment}/{model}/metrics/source_purity.csv",
    log:
        "results/logs/cross_dataset/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/cross_dataset/{experiment}/{model}.tsv"
    conda:
        "../../envs/faiss.yaml"
    threads: 8
    resources:
        mem_mb=16000,
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("cross_dataset.py"),
    script:
        "../scripts/cross_dataset.py"


# The matrices of all models, and how often neighbors come from the query's own dataset.
rule cross_dataset_page:
    input:
        matrix=of_all_models("results/experiments/{experiment}/{model}/metrics/cross_dataset.csv"),
        purity=of_all_models("results/experiments/{experiment}/{model}/metrics/source_purity.csv"),
        template=template("tables"),
        base=template("page"),
    output:
        matrix="results/experiments/{experiment}/comparison/cross_dataset.csv",
        purity="results/experiments/{experiment}/comparison/source_purity.csv",
        page=report(
            "results/experiments/{experiment}/comparison/cross_dataset.html",
            caption="../report/cross_dataset.rst",
            category="{experiment}",
            labels={"what": "retrieval across datasets (tables)"},
        ),
        figure=report(
            "results/experiments/{experiment}/comparison/cross_dataset.svg",
            caption="../report/cross_dataset_figure.rst",
            category="{experiment}",
            labels={"what": "retrieval across datasets"},
        ),
        figure_pdf="results/experiments/{experiment}/comparison/cross_dataset.pdf",
    log:
        "results/logs/cross_dataset_page/{experiment}.log",
    benchmark:
        "results/benchmarks/cross_dataset_page/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("cross_dataset_page.py"),
    script:
        "../scripts/cross_dataset_page.py"


# Which model has seen which dataset in training, by the cards and by the names under `known_as`.
rule contamination:
    input:
        template=template("tables"),
        base=template("page"),
    output:
        table="results/experiments/{experiment}/comparison/contamination.csv",
        page=report(
            "results/experiments/{experiment}/comparison/contamination.html",
            caption="../report/contamination.rst",
            category="{experiment}",
            labels={"what": "contamination: what models have seen"},
        ),
    log:
        "results/logs/contamination/{experiment}.log",
    benchmark:
        "results/benchmarks/contamination/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        statuses=contamination_statuses,
        code=code("contamination.py"),
    script:
        "../scripts/contamination.py"


localrules:
    cross_dataset_page,
    contamination,
