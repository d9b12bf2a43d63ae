# Ways to compare two series, studies or patients.


# P@k and mAP of one model by each way to compare the images of two units, exactly: every slice of a
# query is compared with every slice of the index.
rule aggregation:
    input:
        embeddings=image_embeddings,
        members=ancient(unit_members),
        catalog=layout.POOL,
    output:
        layout.of_model("aggregation", "aggregation.csv"),
    log:
        layout.log("aggregation", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("aggregation", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(720),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        k=experiment_setting("k"),
        code=code("analyses/aggregation.py"),
    script:
        "../../scripts/analyses/aggregation.py"
