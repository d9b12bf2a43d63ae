# The paper's way to compute the figures, quirks included, beside the corrected one; and results in
# the reference's files.


# Every headline figure of a model both ways, and what each quirk alone does to it.
rule paper_mode:
    input:
        neighbors=paper_neighbors,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
        csvs=experiment_csvs,
    output:
        "results/experiments/{experiment}/{model}/metrics/paper-mode.csv",
    log:
        "results/logs/paper_mode/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/paper_mode/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        splits=paper_splits,
        datasets=experiment_setting("datasets"),
        paper_mode=experiment_setting("paper_mode"),
        code=code("paper_mode.py"),
    script:
        "../scripts/paper_mode.py"


# The models' tables stacked, and as a page.
rule paper_mode_page:
    input:
        tables=of_all_models("results/experiments/{experiment}/{model}/metrics/paper-mode.csv"),
        template=template("paper-mode"),
        base=template("page"),
    output:
        table="results/experiments/{experiment}/comparison/paper-mode.csv",
        page=report(
            "results/experiments/{experiment}/comparison/paper-mode.html",
            caption="../report/paper-mode.rst",
            category="{experiment}",
            labels={"what": "paper mode"},
        ),
    log:
        "results/logs/paper_mode_page/{experiment}.log",
    benchmark:
        "results/benchmarks/paper_mode_page/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        splits=paper_splits,
        paper_mode=experiment_setting("paper_mode"),
        code=code("paper_mode_page.py"),
    script:
        "../scripts/paper_mode_page.py"


# Neighbor lists (knn.csv) and P@k (retrieval.csv) as the reference's scripts write them.
rule export_retrieval:
    input:
        neighbors=paper_neighbors,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
        csvs=experiment_csvs,
    output:
        lists="results/experiments/{experiment}/{model}/reference/knn.csv",
        retrieval="results/experiments/{experiment}/{model}/reference/retrieval.csv",
    log:
        "results/logs/export_retrieval/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/export_retrieval/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        splits=paper_splits,
        datasets=experiment_setting("datasets"),
        paper_mode=experiment_setting("paper_mode"),
        code=code("export_retrieval.py"),
    script:
        "../scripts/export_retrieval.py"


# Its kNN classification: every k on the validation split, and the chosen one on the test split.
rule export_classification:
    input:
        neighbors=paper_neighbors,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
        csvs=experiment_csvs,
    output:
        validation="results/experiments/{experiment}/{model}/reference/knn_validation_val.csv",
        classification="results/experiments/{experiment}/{model}/reference/knn_classification.csv",
    log:
        "results/logs/export_classification/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/export_classification/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        splits=paper_splits,
        datasets=experiment_setting("datasets"),
        paper_mode=experiment_setting("paper_mode"),
        code=code("export_classification.py"),
    script:
        "../scripts/export_classification.py"


localrules:
    paper_mode_page,
