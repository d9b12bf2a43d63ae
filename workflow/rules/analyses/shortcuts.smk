# What else nearest neighbors share.


# How often the nearest neighbor shares dataset, source, view, sex or age, beside how often it shares the
# finding, of one model.
rule shortcuts:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        layout.of_model("shortcuts", "shortcuts.csv"),
    log:
        layout.log("shortcuts", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("shortcuts", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/shortcuts.py"),
    script:
        "../../scripts/analyses/shortcuts.py"
