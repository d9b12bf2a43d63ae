# For whom a model works.


# P@k by sex, age band, view, source and scanner of the query, and the largest gaps, of one model.
rule subgroups:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        subgroups=layout.of_model("subgroups", "subgroups.csv"),
        gaps=layout.of_model("subgroups", "gaps.csv"),
    log:
        layout.log("subgroups", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("subgroups", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        smallest=project.settings["subgroups"]["smallest"],
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/subgroups.py"),
    script:
        "../../scripts/analyses/subgroups.py"
