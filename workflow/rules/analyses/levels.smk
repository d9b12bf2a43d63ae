# Modality, region and finding one by one.


# P@k level by level, the finding given the right region, and what wrong neighbors are, of one model.
rule levels:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        precision=layout.of_model("levels", "precision.csv"),
        outcomes=layout.of_model("levels", "outcomes.csv"),
        per_query=layout.of_model("levels", "per_query.parquet"),
    log:
        layout.log("levels", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("levels", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        own_vectors=has_cosines,
        code=code("analyses/levels.py"),
    script:
        "../../scripts/analyses/levels.py"
