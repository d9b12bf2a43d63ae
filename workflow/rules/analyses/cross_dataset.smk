# Retrieval from one dataset into another.


# Queries of each dataset in the index images of each dataset, by exact searches of one model.
rule cross_dataset:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        matrix=layout.of_model("cross_dataset", "cross_dataset.csv"),
        purity=layout.of_model("cross_dataset", "source_purity.csv"),
    log:
        layout.log("cross_dataset", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("cross_dataset", "{experiment}/{model}")
    conda:
        "../../../envs/faiss.yaml"
    threads: threads_by_images
    resources:
        search_device=project.settings["search"]["device"],
        gpu=int(project.settings["search"]["device"] == "cuda"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/cross_dataset.py", *GPU_SEARCH),
    script:
        "../../scripts/analyses/cross_dataset.py"
