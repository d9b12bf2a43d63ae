# Whether first results show what the query shows.


# The share of queries whose first results show a label that they show, label by label, of one model.
# The rows of the pool are the experiment's units where it has units.
rule region_recall:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        region_recall=layout.of_model("region_recall", "region_recall.csv"),
        by_label=layout.of_model("region_recall", "by_label.csv"),
    log:
        layout.log("region_recall", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("region_recall", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/region_recall.py"),
    script:
        "../../scripts/analyses/region_recall.py"
