# What leaves the project: folders and files for other programs, on request only.

# The models that are searched by their own vectors.
SEARCHED = names(sorted({each for x in project.experiments for each in project.searched_models(x)}))


# Vectors, index, neighbors and a manifest of one model of an experiment. The index is copied, so
# that the folder can be moved as it is.
rule export_experiment:
    input:
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
        index=index_file,
        neighbors=neighbor_tables,
        metrics=layout.metrics("summary.csv"),
    output:
        directory(layout.EXPORT),
    log:
        layout.log("export_experiment", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("export_experiment", "{experiment}/{model}")
    wildcard_constraints:
        model=SEARCHED,
    conda:
        "../../envs/faiss.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        experiment=exported_experiment,
        model=exported_model,
        code=code("export/export_experiment.py"),
    script:
        "../scripts/export/export_experiment.py"


# The index split of an export as one file of SQLite, whose vectors the extension sqlite-vec searches.
rule export_sqlite:
    input:
        export=layout.EXPORT,
    output:
        layout.EXPORTED_DATABASE,
    log:
        layout.log("export_sqlite", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("export_sqlite", "{experiment}/{model}")
    wildcard_constraints:
        model=SEARCHED,
    conda:
        "../../envs/faiss.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
    params:
        code=code("export/export_sqlite.py"),
    script:
        "../scripts/export/export_sqlite.py"


# The neighbors of all models of an experiment, labels and metrics, so that others compute the metrics
# again without images and vectors. Of the embeddings, only the list of images is used.
rule export_bundle:
    input:
        catalog=layout.POOL,
        embeddings=all_experiment_embeddings,
        neighbors=all_neighbor_tables,
        metrics=all_metrics,
    output:
        directory(layout.BUNDLE),
    log:
        layout.log("export_bundle", "{experiment}"),
    benchmark:
        layout.benchmark("export_bundle", "{experiment}")
    conda:
        "../../envs/bundle.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        experiment=exported_experiment,
        datasets=exported_datasets,
        models=exported_models,
        embeddings_of=embeddings_by_model,
        code=code("export/export_bundle.py"),
    script:
        "../scripts/export/export_bundle.py"
