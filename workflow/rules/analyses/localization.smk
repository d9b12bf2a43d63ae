# Where in other patients' series a few slices are found.


# Draws the slabs that are asked with in a box, and the box of each, on a part of the image that is not
# empty. Its file is named after its content, so that images that are added elsewhere embed nothing again.
checkpoint boxed_slabs:
    input:
        images=audited_images,
        shards=of_datasets(layout.SHARDS),
        admitted=layout.ADMITTED,
    output:
        directory(layout.BOXED_SLABS),
    log:
        layout.log("boxed_slabs", "{experiment}"),
    benchmark:
        layout.benchmark("boxed_slabs", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        query_splits=experiment_setting("query_splits"),
        slices=project.settings["localization"]["slices"],
        boxes=project.settings["localization"]["boxes"],
        queries=project.settings["localization"]["queries"],
        intensities=intensities,
        code=code("analyses/boxed_slabs.py"),
    script:
        "../../scripts/analyses/boxed_slabs.py"


# Embeds the slices of these slabs, each cropped to its box, as `embed` embeds the images themselves.
# The list is `ancient`, because it is named after its content.
rule embed_boxes:
    input:
        slabs=ancient(boxed_slabs),
        weights=weights,
    output:
        layout.BOXED,
    log:
        layout.log("embed_boxes", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("embed_boxes", "{experiment}/{model}")
    wildcard_constraints:
        model=names(project.encoded),
    conda:
        "../../../envs/torch.yaml"
    threads: 8
    resources:
        image_roots=image_roots,
        weights=weights_location,
        device=project.settings["device"],
        computed_by=lambda wildcards: cards.runtime_of(project.cards[wildcards.model]),
        batch_size=lambda wildcards: project.cards[wildcards.model]["batch_size"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        intensities=intensities,
        code=boxing_versions,
    script:
        "../../scripts/analyses/embed_boxes.py"


# Each slice of the query splits, with the slices around it, is laid over all series of the index.
# The images are those of the experiment's units where it has units.
rule localization:
    input:
        embeddings=image_embeddings,
        images=audited_images,
        slabs=boxed_slabs,
        boxes=boxed_vectors,
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
        localization=slabs_asked,
        code=code("analyses/localization.py"),
    script:
        "../../scripts/analyses/localization.py"
