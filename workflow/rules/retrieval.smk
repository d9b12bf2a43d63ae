# Nearest neighbors of every query image, and how often they are right.


# Pools the catalogs of an experiment and lists the images of each split in a file named after its
# content, for the same reason as the shards: a label that is edited moves the metrics, not the
# search. It follows the shards without reading them: once the pool is known, all images of the
# experiment are.
checkpoint pool:
    input:
        catalogs=catalogs,
        shards=shard_folders,
    output:
        catalog="results/experiments/{experiment}/catalog.parquet",
        counts="results/experiments/{experiment}/counts.csv",
        splits=directory("results/experiments/{experiment}/splits"),
    log:
        "results/logs/pool/{experiment}.log",
    benchmark:
        "results/benchmarks/pool/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        datasets=experiment_setting("datasets"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        labels=experiment_setting("labels"),
        code=code("pool.py"),
    script:
        "../scripts/pool.py"


# An inner-product index of the index split's unit vectors, exact unless the experiment's `index:`
# says otherwise; scores are cosine similarities.
rule index:
    input:
        embeddings=experiment_embeddings,
        images=ancient(split_images),
    output:
        "results/experiments/{experiment}/{model}/index/{split}.faiss",
    log:
        "results/logs/index/{experiment}/{model}/{split}.log",
    benchmark:
        "results/benchmarks/index/{experiment}/{model}/{split}.tsv"
    conda:
        "../../envs/faiss.yaml"
    threads: 2
    resources:
        mem_mb=16000,
    params:
        index=index_building,
        code=code("index.py"),
    script:
        "../scripts/index.py"


# The k nearest index images of each query; further ones where same-patient images stand among the
# first k. A fusion by score or by rank searches its members' vectors side by side, exactly; it is a
# matter of this rule alone.
rule knn:
    input:
        index=index_file,
        embeddings=experiment_embeddings,
        queries=ancient(split_images),
        images=ancient(index_images),
    output:
        "results/experiments/{experiment}/{model}/knn/{split}.parquet",
    log:
        "results/logs/knn/{experiment}/{model}/{split}.log",
    benchmark:
        "results/benchmarks/knn/{experiment}/{model}/{split}.tsv"
    wildcard_constraints:
        model=names(project.searched),
    conda:
        "../../envs/faiss.yaml"
    threads: 8
    resources:
        mem_mb=16000,
    params:
        k=experiment_setting("k"),
        index=index_searching,
        fusion=fused_search,
        code=code("knn.py"),
    script:
        "../scripts/knn.py"


# Precision, mean average precision, nDCG and the rest, over all query splits of one model.
rule retrieval_metrics:
    input:
        neighbors=neighbor_tables,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
    output:
        precision="results/experiments/{experiment}/{model}/metrics/precision.csv",
        summary="results/experiments/{experiment}/{model}/metrics/summary.csv",
        by_group="results/experiments/{experiment}/{model}/metrics/by_group.csv",
        per_query="results/experiments/{experiment}/{model}/metrics/per_query.parquet",
    log:
        "results/logs/retrieval_metrics/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/retrieval_metrics/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("retrieval_metrics.py"),
    script:
        "../scripts/retrieval_metrics.py"
