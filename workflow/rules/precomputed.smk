# Models whose embeddings or neighbor lists exist already (loader `precomputed`). No image is
# opened.


# Reads a dataset's vectors from a file of embeddings. Images that are not in it are rows of the
# ledger. There is one job per dataset, not per shard: reading takes minutes for a million images,
# and the file is opened once.
rule take_embeddings:
    input:
        images=ancient(shard_lists),
        source=source,
        metadata=source_metadata,
    output:
        layout.EMBEDDINGS,
    log:
        layout.log("take_embeddings", "{model}/{dataset}"),
    benchmark:
        layout.benchmark("take_embeddings", "{model}/{dataset}")
    wildcard_constraints:
        model=names(project.precomputed),
    conda:
        "../../envs/faiss.yaml"
    resources:
        max_rejected=max_rejected,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        storage=project.settings["storage"],
        listing=source_listing,
        code=code("embedding/take_embeddings.py"),
    script:
        "../scripts/embedding/take_embeddings.py"


# Reads the neighbors of a query split from published lists. They are evaluated without embeddings.
rule take_neighbors:
    input:
        lists=source,
        shards=ancient(shard_lists),
        embeddings=experiment_embeddings,
        queries=ancient(split_images),
        images=ancient(index_images),
    output:
        layout.NEIGHBORS,
    log:
        layout.log("take_neighbors", "{experiment}/{model}/{split}"),
    benchmark:
        layout.benchmark("take_neighbors", "{experiment}/{model}/{split}")
    wildcard_constraints:
        model=names(set(project.precomputed) - set(project.searched)),
    conda:
        "../../envs/faiss.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        k=experiment_setting("k"),
        code=code("retrieval/take_neighbors.py"),
    script:
        "../scripts/retrieval/take_neighbors.py"
