# Nearest neighbors of every query image, and how often they are right.


# Pools the catalogs of an experiment and lists the images of each split in a file that is named
# after its content. The reason is the same as for the shards: an edited label changes the metrics,
# not the search. The rule runs after the shards without reading them. When the pool is known, all
# images of the experiment are known.
checkpoint pool:
    input:
        catalogs=of_datasets(layout.CATALOG),
        shards=of_datasets(layout.SHARDS),
    output:
        catalog=layout.POOL,
        counts=layout.COUNTS,
        splits=directory(layout.SPLITS),
    log:
        layout.log("pool", "{experiment}"),
    benchmark:
        layout.benchmark("pool", "{experiment}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        datasets=experiment_setting("datasets"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        labels=experiment_setting("labels"),
        code=code("datasets/pool.py"),
    script:
        "../scripts/datasets/pool.py"


# An inner-product index of the index split's unit vectors. It is exact unless the experiment's
# `index:` says otherwise. Scores are cosine similarities.
rule index:
    input:
        embeddings=experiment_embeddings,
        images=ancient(split_images),
    output:
        layout.INDEX,
    log:
        layout.log("index", "{experiment}/{model}/{split}"),
    benchmark:
        layout.benchmark("index", "{experiment}/{model}/{split}")
    conda:
        "../../envs/faiss.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        index=index_building,
        code=code("retrieval/index.py"),
    script:
        "../scripts/retrieval/index.py"


# The k nearest index images of each query, and more where same-patient images are among the first
# k. A fusion by score or by rank searches its members' vectors side by side, exactly.
rule knn:
    input:
        index=index_file,
        embeddings=experiment_embeddings,
        queries=ancient(split_images),
        images=ancient(index_images),
    output:
        layout.NEIGHBORS,
    log:
        layout.log("knn", "{experiment}/{model}/{split}"),
    benchmark:
        layout.benchmark("knn", "{experiment}/{model}/{split}")
    wildcard_constraints:
        model=names(project.searched),
    conda:
        "../../envs/faiss.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        k=experiment_setting("k"),
        index=index_searching,
        fusion=fused_search,
        code=code("retrieval/knn.py"),
    script:
        "../scripts/retrieval/knn.py"


# Precision, mean average precision, nDCG and the rest, over all query splits of one model.
rule retrieval_metrics:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        precision=layout.metrics("precision.csv"),
        summary=layout.metrics("summary.csv"),
        by_group=layout.metrics("by_group.csv"),
        per_query=layout.metrics("per_query.parquet"),
    log:
        layout.log("retrieval_metrics", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("retrieval_metrics", "{experiment}/{model}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("retrieval/retrieval_metrics.py"),
    script:
        "../scripts/retrieval/retrieval_metrics.py"
