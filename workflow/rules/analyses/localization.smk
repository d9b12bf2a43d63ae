# Where in other patients' series a few slices are found.


# Each slice of the query splits, with the slices around it, is laid over all series of the index.
# The images are those of the experiment's units where it has units.
rule localization:
    input:
        embeddings=image_embeddings,
        images=audited_images,
    output:
        layout.of_model("localization", "localization.csv"),
    log:
        layout.log("localization", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("localization", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    threads: threads_by_images
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        localization=project.settings["localization"],
        code=code("analyses/localization.py"),
    script:
        "../../scripts/analyses/localization.py"
