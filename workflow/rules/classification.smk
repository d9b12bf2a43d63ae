# Embeddings as features of a classifier: votes of neighbors, and linear classifiers; then all
# models side by side.


# Votes of the first k neighbors for every k, from the neighbor tables that are there; k chosen on
# the validation split.
rule knn_classification:
    input:
        neighbors=neighbor_tables,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
    output:
        chosen="results/experiments/{experiment}/{model}/classification/knn.csv",
        curve="results/experiments/{experiment}/{model}/classification/knn_curve.csv",
        reliability="results/experiments/{experiment}/{model}/classification/knn_calibration.csv",
    log:
        "results/logs/knn_classification/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/knn_classification/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        fixed_k=project.settings["classification"]["fixed_k"],
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        val_split=experiment_setting("val_split"),
        weighted=has_cosines,
        code=code("knn_classification.py"),
    script:
        "../scripts/knn_classification.py"


# Linear classifiers trained on the index split's embeddings, all of them and few, chosen on the
# validation split. The only rule after the embeddings that can use a GPU.
rule linear_probing:
    input:
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
    output:
        metrics="results/experiments/{experiment}/{model}/classification/linear_probing.csv",
        reliability="results/experiments/{experiment}/{model}/classification/linear_calibration.csv",
        label_fractions="results/experiments/{experiment}/{model}/classification/label_fractions.csv",
    log:
        "results/logs/linear_probing/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/linear_probing/{experiment}/{model}.tsv"
    conda:
        "../../envs/probing.yaml"
    threads: 8
    resources:
        device=project.settings["device"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=16000,
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        val_split=experiment_setting("val_split"),
        epochs=project.settings["classification"]["epochs"],
        fractions=project.settings["classification"]["label_fractions"],
        shots=project.settings["classification"]["shots"],
        tries=project.settings["classification"]["tries"],
        code=code("linear_probing.py"),
    script:
        "../scripts/linear_probing.py"


# Stacks the models' tables of kNN classification.
rule compare_knn_classification:
    input:
        chosen=of_all_models("results/experiments/{experiment}/{model}/classification/knn.csv"),
        curve=of_all_models("results/experiments/{experiment}/{model}/classification/knn_curve.csv"),
        reliability=of_all_models(
            "results/experiments/{experiment}/{model}/classification/knn_calibration.csv"
        ),
    output:
        chosen=report(
            "results/experiments/{experiment}/comparison/knn_classification.csv",
            caption="../report/knn-classification-table.rst",
            category="{experiment}",
            labels={"what": "kNN classification (CSV)"},
        ),
        curve="results/experiments/{experiment}/comparison/knn_classification_curve.csv",
        reliability="results/experiments/{experiment}/comparison/knn_calibration.csv",
    log:
        "results/logs/compare_knn_classification/{experiment}.log",
    benchmark:
        "results/benchmarks/compare_knn_classification/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        models=experiment_setting("models"),
        code=code("stack_models.py"),
    script:
        "../scripts/stack_models.py"


# Stacks the models' tables of linear probing.
rule compare_linear_probing:
    input:
        metrics=of_all_models(
            "results/experiments/{experiment}/{model}/classification/linear_probing.csv"
        ),
        reliability=of_all_models(
            "results/experiments/{experiment}/{model}/classification/linear_calibration.csv"
        ),
        label_fractions=of_all_models(
            "results/experiments/{experiment}/{model}/classification/label_fractions.csv"
        ),
    output:
        metrics=report(
            "results/experiments/{experiment}/comparison/linear_probing.csv",
            caption="../report/linear-probing-table.rst",
            category="{experiment}",
            labels={"what": "linear probing (CSV)"},
        ),
        reliability="results/experiments/{experiment}/comparison/linear_calibration.csv",
        label_fractions="results/experiments/{experiment}/comparison/label_fractions.csv",
    log:
        "results/logs/compare_linear_probing/{experiment}.log",
    benchmark:
        "results/benchmarks/compare_linear_probing/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        models=experiment_setting("models"),
        code=code("stack_models.py"),
    script:
        "../scripts/stack_models.py"


# kNN classification as a table of models, as curves over k, and as reliability diagrams.
rule knn_classification_pages:
    input:
        chosen="results/experiments/{experiment}/comparison/knn_classification.csv",
        curve="results/experiments/{experiment}/comparison/knn_classification_curve.csv",
        reliability="results/experiments/{experiment}/comparison/knn_calibration.csv",
        template=template("classification"),
        base=template("page"),
    output:
        page=report(
            "results/experiments/{experiment}/comparison/knn_classification.html",
            caption="../report/knn-classification.rst",
            category="{experiment}",
            labels={"what": "table of kNN classification"},
        ),
        curves=report(
            "results/experiments/{experiment}/comparison/knn-classification.svg",
            caption="../report/knn-classification-curves.rst",
            category="{experiment}",
            labels={"what": "kNN classification against k"},
        ),
        curves_pdf="results/experiments/{experiment}/comparison/knn-classification.pdf",
        calibration=report(
            "results/experiments/{experiment}/comparison/knn-calibration.svg",
            caption="../report/calibration.rst",
            category="{experiment}",
            labels={"what": "calibration of kNN classification"},
        ),
        calibration_pdf="results/experiments/{experiment}/comparison/knn-calibration.pdf",
    log:
        "results/logs/knn_classification_pages/{experiment}.log",
    benchmark:
        "results/benchmarks/knn_classification_pages/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("knn_classification_pages.py"),
    script:
        "../scripts/knn_classification_pages.py"


# Linear probing as a table of models, as curves over the number of training images, and as
# reliability diagrams.
rule linear_probing_pages:
    input:
        metrics="results/experiments/{experiment}/comparison/linear_probing.csv",
        reliability="results/experiments/{experiment}/comparison/linear_calibration.csv",
        label_fractions="results/experiments/{experiment}/comparison/label_fractions.csv",
        template=template("classification"),
        base=template("page"),
    output:
        page=report(
            "results/experiments/{experiment}/comparison/linear_probing.html",
            caption="../report/linear-probing.rst",
            category="{experiment}",
            labels={"what": "table of linear probing"},
        ),
        spread="results/experiments/{experiment}/comparison/label_fractions_mean.csv",
        curves=report(
            "results/experiments/{experiment}/comparison/label-fractions.svg",
            caption="../report/label-fractions.rst",
            category="{experiment}",
            labels={"what": "linear probing with few labels"},
        ),
        curves_pdf="results/experiments/{experiment}/comparison/label-fractions.pdf",
        calibration=report(
            "results/experiments/{experiment}/comparison/linear-calibration.svg",
            caption="../report/calibration.rst",
            category="{experiment}",
            labels={"what": "calibration of linear probing"},
        ),
        calibration_pdf="results/experiments/{experiment}/comparison/linear-calibration.pdf",
    log:
        "results/logs/linear_probing_pages/{experiment}.log",
    benchmark:
        "results/benchmarks/linear_probing_pages/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("linear_probing_pages.py"),
    script:
        "../scripts/linear_probing_pages.py"


localrules:
    compare_knn_classification,
    knn_classification_pages,
    compare_linear_probing,
    linear_probing_pages,
