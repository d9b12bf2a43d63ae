# The target `query`: search with the user's own images in the index of an experiment.


# Lists the images that `query:` names: images, folders, lists of paths. In an experiment of series,
# studies or patients it says which images are one. Stops if none of them can be read.
rule query_list:
    output:
        layout.QUERY_IMAGES,
    log:
        layout.log("query_list", "{query}"),
    benchmark:
        layout.benchmark("query_list", "{query}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        images=query_setting("images"),
        unit=query_experiment("unit"),
        listing=query_listing,
        intensity=query_setting("intensity"),
        cut=query_cut,
        code=code("query/list.py"),
    script:
        "../scripts/query/list.py"


# Embeds the query images with the code that embedded the index. An image that cannot be read is in
# the file with the reason.
rule embed_query:
    input:
        queries=layout.QUERY_IMAGES,
        weights=weights,
    output:
        layout.QUERY_VECTORS,
    log:
        layout.log("embed_query", "{query}/{model}"),
    benchmark:
        layout.benchmark("embed_query", "{query}/{model}")
    wildcard_constraints:
        model=names(project.encoded),
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        weights=weights_location,
        device=project.settings["device"],
        computed_by=lambda wildcards: cards.runtime_of(project.cards[wildcards.model]),
        batch_size=lambda wildcards: project.cards[wildcards.model]["batch_size"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        intensity=query_setting("intensity"),
        code=embedding_versions,
    script:
        "../scripts/query/embed.py"


# The vectors of a fusion are those of its members, side by side, as in the index.
rule fuse_query:
    input:
        query_members,
    output:
        layout.QUERY_VECTORS,
    log:
        layout.log("fuse_query", "{query}/{model}"),
    benchmark:
        layout.benchmark("fuse_query", "{query}/{model}")
    wildcard_constraints:
        model=names(project.fusions),
    conda:
        "../../envs/faiss.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        code=code("query/fuse.py"),
    script:
        "../scripts/query/fuse.py"


# The vectors of the series, studies or patients that the query images make, pooled from theirs as
# those of the index.
rule pool_query:
    input:
        embeddings=layout.QUERY_VECTORS,
        queries=layout.QUERY_IMAGES,
    output:
        layout.QUERY_UNIT_VECTORS,
    log:
        layout.log("pool_query", "{query}/{model}"),
    benchmark:
        layout.benchmark("pool_query", "{query}/{model}")
    wildcard_constraints:
        query=names(ASKED_UNITS),
        model=names(set(project.searched) - {*project.adapted, *project.volumetric}),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        pooling=query_experiment("pooling"),
        widths=part_widths,
        code=code("query/pool.py"),
    script:
        "../scripts/query/pool.py"


# The vectors of the series that the query images make, by a model that takes whole volumes.
rule embed_query_volumes:
    input:
        queries=layout.QUERY_IMAGES,
        weights=weights,
    output:
        layout.QUERY_UNIT_VECTORS,
    log:
        layout.log("embed_query_volumes", "{query}/{model}"),
    benchmark:
        layout.benchmark("embed_query_volumes", "{query}/{model}")
    wildcard_constraints:
        query=names(ASKED_UNITS),
        model=names(project.volumetric),
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        weights=weights_location,
        device=project.settings["device"],
        computed_by="torch",
        batch_size=lambda wildcards: project.cards[wildcards.model]["batch_size"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        code=embedding_versions,
    script:
        "../scripts/query/embed_volumes.py"


# The vectors of an adapted model are those of its base after the map of the experiment.
rule adapt_query:
    input:
        embeddings=query_base,
        fitted=query_adaptation,
    output:
        QUERY_SEARCHED,
    log:
        layout.log("adapt_query", "{query}/{model}"),
    benchmark:
        layout.benchmark("adapt_query", "{query}/{model}")
    wildcard_constraints:
        model=names(project.adapted),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        code=code("query/adapt.py"),
    script:
        "../scripts/query/adapt.py"


# The nearest images or units of the experiment's index, searched like the experiment's own queries.
rule query_neighbors:
    input:
        queries=QUERY_SEARCHED,
        index=query_index,
        embeddings=query_index_embeddings,
        images=ancient(query_index_images),
    output:
        layout.QUERY_NEIGHBORS,
    log:
        layout.log("query_neighbors", "{query}/{model}"),
    benchmark:
        layout.benchmark("query_neighbors", "{query}/{model}")
    wildcard_constraints:
        model=names(project.searched),
    conda:
        "../../envs/faiss.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        k=query_setting("k"),
        index=query_index_searching,
        fusion=fused_search,
        code=code("query/neighbors.py"),
    script:
        "../scripts/query/neighbors.py"


# All models side by side: the table, what could not be embedded, and the pictures on one page that
# opens without network.
rule query_results:
    input:
        queries=layout.QUERY_IMAGES,
        neighbors=of_query_models(layout.QUERY_NEIGHBORS),
        embeddings=of_query_models(layout.QUERY_VECTORS),
        catalog=query_pool,
        fits=query_fitted_chances,
    output:
        neighbors=layout.QUERY_RESULTS,
        ledger=layout.QUERY_LEDGER,
        page=report(
            layout.QUERY_PAGE,
            caption="../report/query.rst",
            category="Queries",
            subcategory="Neighbors",
            labels={"what": "{query}"},
        ),
    log:
        layout.log("query_results", "{query}"),
    benchmark:
        layout.benchmark("query_results", "{query}")
    wildcard_constraints:
        query=names(ASKED_IMAGES),
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=query_image_roots,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        names=query_model_names,
        score_notes=query_score_notes,
        settings=lambda wildcards: {
            name: project.query[name] for name in ("experiment", "intensity")
        },
        intensities=query_intensities,
        index=query_experiment("index"),
        pixels=project.settings["gallery"]["pixels"],
        code=code("query/results.py", template="query/query.html.j2"),
    script:
        "../scripts/query/results.py"


# The same for series, studies and patients: each hit is shown by the slice that is nearest to one of
# the query's.
rule query_unit_results:
    input:
        queries=layout.QUERY_IMAGES,
        neighbors=of_query_models(layout.QUERY_NEIGHBORS),
        embeddings=of_query_models(layout.QUERY_UNIT_VECTORS),
        slices=query_slices,
        index_slices=query_index_slices,
        images=query_unit_images,
        catalog=query_pool,
        fits=query_fitted_chances,
    output:
        neighbors=layout.QUERY_RESULTS,
        ledger=layout.QUERY_LEDGER,
        page=report(
            layout.QUERY_PAGE,
            caption="../report/query.rst",
            category="Queries",
            subcategory="Neighbors",
            labels={"what": "{query}"},
        ),
    log:
        layout.log("query_unit_results", "{query}"),
    benchmark:
        layout.benchmark("query_unit_results", "{query}")
    wildcard_constraints:
        query=names(ASKED_UNITS),
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=query_image_roots,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        names=query_model_names,
        with_slices=query_models_with_slices,
        score_notes=query_score_notes,
        settings=lambda wildcards: {
            name: project.query[name] for name in ("experiment", "intensity")
        },
        intensities=query_intensities,
        index=query_experiment("index"),
        unit=query_experiment("unit"),
        query_splits=query_experiment("query_splits"),
        pixels=project.settings["gallery"]["pixels"],
        code=code("query/unit_results.py", template="query/query.html.j2"),
    script:
        "../scripts/query/unit_results.py"
