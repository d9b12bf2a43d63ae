# How much of the precision comes from patients, studies and near duplicates.


# P@k of one model with and without neighbors of the query's patient, of its study, and near duplicates
# by perceptual hash.
rule leakage:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
        near_duplicates=near_duplicates,
    output:
        layout.of_model("leakage", "leakage.csv"),
    log:
        layout.log("leakage", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("leakage", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/leakage.py"),
    script:
        "../../scripts/analyses/leakage.py"


# Near duplicates by embedding (pairs that most learned models agree on), and P@k of every model
# without them. It depends on all models: a model that is added or removed may change the pairs.
rule embedding_duplicates:
    input:
        neighbors=all_neighbor_tables,
        embeddings=all_experiment_embeddings,
        catalog=layout.POOL,
    output:
        pairs=layout.of_experiment("leakage", "embedding_duplicates.csv"),
        precision=layout.of_experiment("leakage", "without_embedding_duplicates.csv"),
    log:
        layout.log("embedding_duplicates", "{experiment}"),
    benchmark:
        layout.benchmark("embedding_duplicates", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        models=experiment_setting("models"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        judges=duplicate_judges,
        similarity=project.settings["audit"]["similarity"],
        code=code("analyses/embedding_duplicates.py"),
    script:
        "../../scripts/analyses/embedding_duplicates.py"
