# Votes of neighbors as a classifier.


# Votes of the first k neighbors for every k, from the existing neighbor tables. k is chosen on the
# validation split.
rule knn_classification:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        knn_classification=layout.of_model("knn_classification", "knn_classification.csv"),
        knn_classification_curve=layout.of_model(
            "knn_classification", "knn_classification_curve.csv"
        ),
        knn_calibration=layout.of_model("knn_classification", "knn_calibration.csv"),
    log:
        layout.log("knn_classification", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("knn_classification", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        k=experiment_setting("k"),
        fixed_k=project.settings["classification"]["fixed_k"],
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        val_split=experiment_setting("val_split"),
        weighted=has_cosines,
        code=code("analyses/knn_classification.py"),
    script:
        "../../scripts/analyses/knn_classification.py"
