# Does a larger index help?


# The same queries with nested random parts of the index, each searched exactly. Takes the time of a
# few full searches per model.
rule index_size:
    input:
        embeddings=experiment_embeddings,
        catalog=layout.POOL,
        images=ancient(index_images),
        queries=ancient(query_images),
    output:
        layout.of_model("index_size", "index_size.csv"),
    log:
        layout.log("index_size", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("index_size", "{experiment}/{model}")
    conda:
        "../../../envs/faiss.yaml"
    threads: threads_by_images
    resources:
        search_device=project.settings["search"]["device"],
        gpu=int(project.settings["search"]["device"] == "cuda"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(480),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        fusion=fused_search,
        index_size=project.settings["index_size"],
        code=code("analyses/index_size.py", *GPU_SEARCH),
    script:
        "../../scripts/analyses/index_size.py"
