# What leaves the project: folders for other programs, on request only.


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
        model=names(
            sorted({each for x in project.experiments for each in project.searched_models(x)})
        ),
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
