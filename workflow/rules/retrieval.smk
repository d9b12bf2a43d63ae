# Nearest neighbors of every query image, and how often they are right.


# Pools the catalogs of an experiment and lists the images of each split in a file that is named
# after its content. The reason is the same as for the shards: an edited label changes the metrics,
# not the search. The labels of the index split have such a file too, for models that learn from
# them. The rule runs after the shards without reading them. When the pool is known, all images of
# the experiment are known.
checkpoint pool:
    input:
        catalogs=of_datasets(layout.CATALOG),
        shards=of_datasets(layout.SHARDS),
    output:
        catalog=layout.POOL,
        counts=layout.COUNTS,
        splits=directory(layout.SPLITS),
        labels=directory(layout.INDEX_LABELS),
    log:
        layout.log("pool", "{experiment}"),
    benchmark:
        layout.benchmark("pool", "{experiment}")
    wildcard_constraints:
        experiment=names(set(project.experiments) - set(project.of_units)),
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


# The same for an experiment with `unit: series`, `study` or `patient`: a row per unit. The images of
# each unit have a content-named file as well, so that an edited label computes no vector again.
checkpoint pool_units:
    input:
        catalogs=of_datasets(layout.CATALOG),
        shards=of_datasets(layout.SHARDS),
    output:
        catalog=layout.POOL,
        counts=layout.COUNTS,
        splits=directory(layout.SPLITS),
        labels=directory(layout.INDEX_LABELS),
        images=layout.UNIT_IMAGES,
        members=directory(layout.UNIT_MEMBERS),
        ledger=layout.UNIT_LEDGER,
        units=layout.UNIT_COUNTS,
    log:
        layout.log("pool_units", "{experiment}"),
    benchmark:
        layout.benchmark("pool_units", "{experiment}")
    wildcard_constraints:
        experiment=names(project.of_units),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        datasets=experiment_setting("datasets"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        labels=experiment_setting("labels"),
        unit=experiment_setting("unit"),
        code=code("retrieval/pool_units.py"),
    script:
        "../scripts/retrieval/pool_units.py"


# The vectors of an experiment's units by one model: mean or median of their images' vectors, or their
# own where the model takes whole volumes. They
# take the place of the datasets' embeddings in all that follows.
rule unit_embeddings:
    input:
        embeddings=image_embeddings,
        members=ancient(unit_members),
    output:
        layout.UNIT_EMBEDDINGS,
    log:
        layout.log("unit_embeddings", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("unit_embeddings", "{experiment}/{model}")
    wildcard_constraints:
        experiment=names(project.of_units),
        model=names(set(project.searched) - set(project.adapted)),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        pooling=experiment_setting("pooling"),
        widths=part_widths,
        whole=lambda wildcards: wildcards.model in project.volumetric,
        storage=project.settings["storage"],
        code=code("retrieval/unit_embeddings.py"),
    script:
        "../scripts/retrieval/unit_embeddings.py"


# An adapted model: a linear map, fitted on the images of the index split whose patients have no
# query, then the vectors of all images after it. The timings are no part of the results.
rule adapt:
    input:
        embeddings=base_embeddings,
        labels=ancient(index_labels),
        queries=ancient(query_images),
    output:
        embeddings=layout.ADAPTED,
        fitted=layout.ADAPTATION,
        timings=layout.ADAPTATION_TIMINGS,
    log:
        layout.log("adapt", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("adapt", "{experiment}/{model}")
    wildcard_constraints:
        model=names(project.adapted),
    conda:
        "../../envs/probing.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        storage=project.settings["storage"],
        code=code("retrieval/adapt.py"),
    script:
        "../scripts/retrieval/adapt.py"


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
    wildcard_constraints:
        model=names(project.searched),
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
    threads: threads_by_images
    resources:
        search_device=project.settings["search"]["device"],
        gpu=int(project.settings["search"]["device"] == "cuda"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        k=experiment_setting("k"),
        index=index_searching,
        fusion=fused_search,
        code=code("retrieval/knn.py", *GPU_SEARCH),
    script:
        "../scripts/retrieval/knn.py"


# The neighbors of each index image within the index, which some reranked models need. The search is
# exact, so the time grows with the square of the index.
rule index_neighbors:
    input:
        embeddings=experiment_embeddings,
        images=ancient(split_images),
    output:
        layout.INDEX_NEIGHBORS,
    log:
        layout.log("index_neighbors", "{experiment}/{model}/{split}"),
    benchmark:
        layout.benchmark("index_neighbors", "{experiment}/{model}/{split}")
    wildcard_constraints:
        model=names(project.searched),
    conda:
        "../../envs/faiss.yaml"
    threads: threads_by_images
    resources:
        search_device=project.settings["search"]["device"],
        gpu=int(project.settings["search"]["device"] == "cuda"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        k=neighbors_within_index,
        code=code("retrieval/index_neighbors.py", *GPU_SEARCH),
    script:
        "../scripts/retrieval/index_neighbors.py"


# A reranked model: what its base found, in another order. The timings are no part of the results.
rule rerank:
    input:
        neighbors=base_neighbors,
        graph=base_index_neighbors,
        embeddings=experiment_embeddings,
        queries=ancient(split_images),
        images=ancient(index_images),
    output:
        neighbors=layout.NEIGHBORS,
        timings=layout.RERANKING_TIMINGS,
    log:
        layout.log("rerank", "{experiment}/{model}/{split}"),
    benchmark:
        layout.benchmark("rerank", "{experiment}/{model}/{split}")
    wildcard_constraints:
        model=names(project.reranked),
    conda:
        "../../envs/faiss.yaml"
    threads: threads_by_images
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        k=experiment_setting("k"),
        settings=lambda wildcards: project.meanings[wildcards.model]["how"],
        code=code("retrieval/rerank.py"),
    script:
        "../scripts/retrieval/rerank.py"


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
