# Neighbors that are partly right.


# nDCG of one model by label sets and by label paths.
rule graded_relevance:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        layout.of_model("graded_relevance", "graded_relevance.csv"),
    log:
        layout.log("graded_relevance", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("graded_relevance", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        k=experiment_setting("k"),
        code=code("analyses/graded_relevance.py"),
    script:
        "../../scripts/analyses/graded_relevance.py"
