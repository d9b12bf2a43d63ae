# The shape of the embedding spaces.


# Silhouette, effective rank, alignment, uniformity, intrinsic dimension and hubness of one model's
# embeddings.
rule embedding_space:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        space=layout.of_model("embedding_space", "embedding_space.csv"),
        hubness=layout.of_model("embedding_space", "hubness.csv"),
    log:
        layout.log("embedding_space", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("embedding_space", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/embedding_space.py"),
    script:
        "../../scripts/analyses/embedding_space.py"
