# Linear classifiers on the embeddings.


# Linear classifiers, trained on all and on few embeddings of the index split, chosen on the
# validation split.
rule linear_probing:
    input:
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        linear_probing=layout.of_model("linear_probing", "linear_probing.csv"),
        linear_calibration=layout.of_model("linear_probing", "linear_calibration.csv"),
        label_fractions=layout.of_model("linear_probing", "label_fractions.csv"),
    log:
        layout.log("linear_probing", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("linear_probing", "{experiment}/{model}")
    conda:
        "../../../envs/probing.yaml"
    threads: threads_by_images
    resources:
        device=project.settings["device"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(32000),
        runtime=per_attempt(480),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        val_split=experiment_setting("val_split"),
        epochs=project.settings["classification"]["epochs"],
        fractions=project.settings["classification"]["label_fractions"],
        shots=project.settings["classification"]["shots"],
        tries=project.settings["classification"]["tries"],
        code=code("analyses/linear_probing.py"),
    script:
        "../../scripts/analyses/linear_probing.py"
