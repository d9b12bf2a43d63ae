# What vectors tell of the images, and of whom they are.


# Reads each image of a shard once more, and makes it small and gray: 1,024 bytes. All models of all
# experiments use them.
rule small_images:
    input:
        ancient(layout.SHARD),
    output:
        layout.SMALL_IMAGES,
    log:
        layout.log("small_images", "{dataset}/{digest}"),
    benchmark:
        layout.benchmark("small_images", "{dataset}/{digest}")
    conda:
        "../../../envs/analysis.yaml"
    threads: 4
    resources:
        image_root=dataset_setting("images"),
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        intensity=dataset_setting("intensity"),
        code=code("analyses/small_images.py"),
    script:
        "../../scripts/analyses/small_images.py"


# Images from the vectors of one model, by a ridge regression that is fitted on other patients, and how
# often the nearest image of another study is of the same patient.
rule privacy:
    input:
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
        small=small_images,
    output:
        privacy=layout.of_model("privacy", "privacy.csv"),
        reidentified=layout.of_model("privacy", "reidentified.csv"),
        examples=layout.EXAMPLES,
    log:
        layout.log("privacy", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("privacy", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        most=project.settings["privacy"],
        code=code("analyses/privacy.py"),
    script:
        "../../scripts/analyses/privacy.py"
