# Models whose embeddings or neighbor lists exist already (loader `precomputed`): no image is
# opened, nothing is encoded.


# Takes a dataset's vectors out of a file of embeddings; what is not in it goes into the ledger. One
# job per dataset, not per shard: reading takes minutes for a million images, and the file is opened
# once.
rule take_embeddings:
    input:
        images=ancient(shard_lists),
        source=source,
        metadata=source_metadata,
    output:
        "results/embeddings/{model}/{dataset}.h5",
    log:
        "results/logs/take_embeddings/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/take_embeddings/{model}/{dataset}.tsv"
    wildcard_constraints:
        model=names(project.precomputed),
    conda:
        "../../envs/faiss.yaml"
    resources:
        max_rejected=max_rejected,
        mem_mb=8000,
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        storage=project.settings["storage"],
        code=code("take_embeddings.py"),
    script:
        "../scripts/take_embeddings.py"


# Takes the neighbors of a query split out of published lists, so that they are evaluated without
# any embedding.
rule take_neighbors:
    input:
        lists=source,
        shards=ancient(shard_lists),
        embeddings=experiment_embeddings,
        queries=ancient(split_images),
        images=ancient(index_images),
    output:
        "results/experiments/{experiment}/{model}/knn/{split}.parquet",
    log:
        "results/logs/take_neighbors/{experiment}/{model}/{split}.log",
    benchmark:
        "results/benchmarks/take_neighbors/{experiment}/{model}/{split}.tsv"
    wildcard_constraints:
        model=names(set(project.models) - set(project.searched)),
    conda:
        "../../envs/faiss.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        code=code("take_neighbors.py"),
    script:
        "../scripts/take_neighbors.py"
