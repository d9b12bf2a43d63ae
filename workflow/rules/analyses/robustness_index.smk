# Whether neighbors follow the label or the site.


# Right neighbors from other sites against wrong ones from the same site, of one model, from its neighbor
# lists.
rule robustness_index:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        robustness_index=layout.of_model("robustness_index", "robustness_index.csv"),
        sites=layout.of_model("robustness_index", "sites.csv"),
    log:
        layout.log("robustness_index", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("robustness_index", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        k=project.settings["robustness_index"]["k"],
        most=experiment_setting("k"),
        smallest=project.settings["robustness_index"]["smallest"],
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/robustness_index.py"),
    script:
        "../../scripts/analyses/robustness_index.py"
