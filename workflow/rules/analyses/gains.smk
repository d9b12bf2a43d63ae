# What adapted vectors, or another order of the neighbors, are worth.


# The fits of an adapted model, each without a part of the labels, or without a dataset.
rule gains_fits:
    input:
        embeddings=base_embeddings,
        labels=ancient(index_labels),
        images=ancient(index_images),
        queries=ancient(query_images),
    output:
        layout.LEFT_OUT_FITS,
    log:
        layout.log("gains_fits", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("gains_fits", "{experiment}/{model}")
    wildcard_constraints:
        model=names(project.adapted),
    conda:
        "../../../envs/probing.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        folds=project.settings["gains"]["folds"],
        settings=lambda wildcards: project.meanings[wildcards.model]["how"],
        code=code("analyses/gains_fits.py"),
    script:
        "../../scripts/analyses/gains_fits.py"


# One adapted or reranked model against the model that it is made from, on the same queries.
rule gains:
    input:
        per_query=of_models(layout.metrics("per_query.parquet"), made_alike),
        catalog=layout.POOL,
        fits=fits_without,
        embeddings=base_vectors_of_adapted,
    output:
        gains=layout.of_model("gains", "gains.csv"),
        left_out=layout.of_model("gains", "left_out.csv"),
    log:
        layout.log("gains", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("gains", "{experiment}/{model}")
    wildcard_constraints:
        model=names([*project.adapted, *project.reranked]),
    conda:
        "../../../envs/faiss.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        k=experiment_setting("k"),
        models=made_alike,
        base=lambda wildcards: project.base(wildcards.model),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        bootstrap=project.settings["bootstrap"],
        code=code("analyses/gains.py"),
    script:
        "../../scripts/analyses/gains.py"
