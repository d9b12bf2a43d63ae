# Images of the user's own look for similar ones in an experiment's index: the target `query`, made
# on request alone.


# Lists the images that `query:` names: images, folders, lists of paths. Stops where not one of them
# can be read.
rule query_list:
    output:
        "results/queries/{query}/images.tsv",
    log:
        "results/logs/query_list/{query}.log",
    benchmark:
        "results/benchmarks/query_list/{query}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        images=query_setting("images"),
        listing=query_listing,
        intensity=query_setting("intensity"),
        code=code("query_list.py"),
    script:
        "../scripts/query_list.py"


# Embeds the query images by the code that embedded the index, to unit vectors as there. What cannot
# be read stays in the file with its reason.
rule embed_query:
    input:
        queries="results/queries/{query}/images.tsv",
        weights=weights,
    output:
        "results/queries/{query}/{model}.h5",
    log:
        "results/logs/embed_query/{query}/{model}.log",
    benchmark:
        "results/benchmarks/embed_query/{query}/{model}.tsv"
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
        mem_mb=8000,
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        intensity=query_setting("intensity"),
        code=query_encoder_code,
    script:
        "../scripts/embed_query.py"


# A fusion's vectors of the query images are its members' side by side, as those of the index are.
rule fuse_query:
    input:
        query_members,
    output:
        "results/queries/{query}/{model}.h5",
    log:
        "results/logs/fuse_query/{query}/{model}.log",
    benchmark:
        "results/benchmarks/fuse_query/{query}/{model}.tsv"
    wildcard_constraints:
        model=names(project.fusions),
    conda:
        "../../envs/faiss.yaml"
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        code=code("fuse_query.py"),
    script:
        "../scripts/fuse_query.py"


# The nearest images of the experiment's index, searched as its own queries are.
rule query_neighbors:
    input:
        queries="results/queries/{query}/{model}.h5",
        index=query_index,
        embeddings=query_index_embeddings,
        images=ancient(query_index_images),
    output:
        "results/queries/{query}/{model}.parquet",
    log:
        "results/logs/query_neighbors/{query}/{model}.log",
    benchmark:
        "results/benchmarks/query_neighbors/{query}/{model}.tsv"
    wildcard_constraints:
        model=names(project.searched),
    conda:
        "../../envs/faiss.yaml"
    threads: 8
    resources:
        mem_mb=16000,
    params:
        k=query_setting("k"),
        index=query_index_searching,
        fusion=fused_search,
        code=code("query_neighbors.py"),
    script:
        "../scripts/query_neighbors.py"


# All models side by side: the table, what could not be asked, and the pictures on one page that
# opens without network.
rule query_results:
    input:
        queries="results/queries/{query}/images.tsv",
        neighbors=of_query_models("results/queries/{query}/{model}.parquet"),
        embeddings=of_query_models("results/queries/{query}/{model}.h5"),
        catalog=lambda wildcards: f"results/experiments/{project.query['experiment']}/catalog.parquet",
        template=template("query"),
        base=template("page"),
    output:
        neighbors="results/queries/{query}/neighbors.csv",
        ledger="results/queries/{query}/ledger.csv",
        page=report(
            "results/queries/{query}/gallery.html",
            caption="../report/query.rst",
            category="Queries",
            labels={"what": "{query}"},
        ),
    log:
        "results/logs/query_results/{query}.log",
    benchmark:
        "results/benchmarks/query_results/{query}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=query_image_roots,
    params:
        names=query_model_names,
        score_notes=query_score_notes,
        settings=lambda wildcards: {
            name: project.query[name] for name in ("experiment", "intensity")
        },
        intensities=query_intensities,
        index=query_experiment("index"),
        pixels=project.settings["gallery"]["pixels"],
        code=code("query_results.py"),
    script:
        "../scripts/query_results.py"
