# Pixels and forward passes: one job each per model and shard, then one file per model and dataset.


# Decodes and preprocesses the images of one shard, unless a model that takes them alike has done so.
# Models of one geometry share the pixels. They do not share an output: Snakemake would run all their
# readers again when it is made again for one of them. The output says where the pixels are, which
# depends on the geometry, the dataset and the image list alone. The rule has no digest of its code
# for the same reason as `embed`.
rule pixels:
    input:
        images=ancient(layout.SHARD),
    output:
        temp(layout.PIXELS_POINTER),
    log:
        layout.log("pixels", "{model}/{dataset}/{digest}"),
    benchmark:
        layout.benchmark("pixels", "{model}/{dataset}/{digest}")
    wildcard_constraints:
        model=names(project.networks),
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        image_root=dataset_setting("images"),
        most_pixels_gb=project.settings["pixels_gb"],
        mem_mb=per_attempt(8000),
        runtime=per_attempt(240),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        intensity=dataset_setting("intensity"),
        code=embedding_versions,
    script:
        "../scripts/embedding/pixels.py"


# Embeds the images of one shard, from their pixels where the model is a network. It has priority over
# decoding the next shard, so that few shards have pixels at a time. Settings that change the
# embeddings are in `params`. Settings that only change the speed (device, batch size, in float32 the
# runtime) or the place of the images are in `resources`, so a change of them makes nothing stale. The
# list is `ancient`, because it is named after its content.
rule embed:
    input:
        images=ancient(layout.SHARD),
        weights=weights,
        pixels=pixels_pointer,
    output:
        layout.SHARD_EMBEDDINGS,
    log:
        layout.log("embed", "{model}/{dataset}/{digest}"),
    benchmark:
        layout.benchmark("embed", "{model}/{dataset}/{digest}")
    wildcard_constraints:
        model=names(project.encoded),
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: 4 if project.settings["device"].startswith("cuda") else 8
    resources:
        image_root=dataset_setting("images"),
        pixel_readers=pixel_readers,
        weights=weights_location,
        max_rejected=max_rejected,
        device=project.settings["device"],
        computed_by=lambda wildcards: cards.runtime_of(project.cards[wildcards.model]),
        batch_size=lambda wildcards: project.cards[wildcards.model]["batch_size"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        intensity=dataset_setting("intensity"),
        storage=project.settings["storage"],
        code=embedding_versions,
    script:
        "../scripts/embedding/embed.py"


# Embeds the volumes of one list, each of which is a series, by an encoder that takes a whole volume.
# The slices are read by the job itself.
rule embed_volumes:
    input:
        volumes=ancient(layout.VOLUME_LIST),
        weights=weights,
    output:
        layout.SHARD_EMBEDDINGS,
    log:
        layout.log("embed_volumes", "{model}/{dataset}/{digest}"),
    benchmark:
        layout.benchmark("embed_volumes", "{model}/{dataset}/{digest}")
    wildcard_constraints:
        model=names(project.volumetric),
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        image_root=dataset_setting("images"),
        weights=weights_location,
        max_rejected=max_rejected,
        device=project.settings["device"],
        computed_by="torch",
        batch_size=lambda wildcards: project.cards[wildcards.model]["batch_size"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(16000),
        runtime=per_attempt(240),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        storage=project.settings["storage"],
        code=embedding_versions,
    script:
        "../scripts/embedding/embed_volumes.py"


# One HDF5 file per model and dataset: a virtual dataset over the shards. No bytes are copied.
rule gather:
    input:
        shard_embeddings,
    output:
        layout.EMBEDDINGS,
    log:
        layout.log("gather", "{model}/{dataset}"),
    benchmark:
        layout.benchmark("gather", "{model}/{dataset}")
    wildcard_constraints:
        model=names([*project.encoded, *project.volumetric]),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        code=code("embedding/gather.py"),
    script:
        "../scripts/embedding/gather.py"


# The embeddings of a fusion are those of its members, side by side, in a file like any other.
rule fuse:
    input:
        member_embeddings,
    output:
        layout.EMBEDDINGS,
    log:
        layout.log("fuse", "{model}/{dataset}"),
    benchmark:
        layout.benchmark("fuse", "{model}/{dataset}")
    wildcard_constraints:
        model=names(project.fusions),
    conda:
        "../../envs/faiss.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        storage=project.settings["storage"],
        code=code("embedding/fuse.py"),
    script:
        "../scripts/embedding/fuse.py"


# The same as a zarr store, for object stores and lazy readers. It is made on request only.
rule export_zarr:
    input:
        layout.EMBEDDINGS,
    output:
        directory(layout.ZARR),
    log:
        layout.log("export_zarr", "{model}/{dataset}"),
    benchmark:
        layout.benchmark("export_zarr", "{model}/{dataset}")
    wildcard_constraints:
        model=names(set(project.searched) - set(project.adapted)),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        code=code("embedding/export_zarr.py"),
    script:
        "../scripts/embedding/export_zarr.py"
