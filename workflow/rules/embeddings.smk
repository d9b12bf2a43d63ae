# The forward passes: one job per model and shard, then one file per model and dataset.


# Embeds the images of one shard. What changes the embeddings stands in `params`; what only changes
# how fast they come (device, batch size, in float32 the runtime) or where the images lie stands in
# `resources`, so that changing it makes nothing stale. The list is `ancient`, being named after its
# content.
rule embed:
    input:
        images=ancient("results/datasets/{dataset}/shards/{digest}.tsv"),
        weights=weights,
    output:
        "results/embeddings/{model}/{dataset}/{digest}.h5",
    log:
        "results/logs/embed/{model}/{dataset}/{digest}.log",
    benchmark:
        "results/benchmarks/embed/{model}/{dataset}/{digest}.tsv"
    wildcard_constraints:
        model=names(project.encoded),
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        image_root=dataset_setting("images"),
        weights=weights_location,
        max_rejected=max_rejected,
        device=project.settings["device"],
        computed_by=lambda wildcards: cards.runtime_of(project.cards[wildcards.model]),
        batch_size=lambda wildcards: project.cards[wildcards.model]["batch_size"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=8000,
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        intensity=dataset_setting("intensity"),
        storage=project.settings["storage"],
        code=encoder_code,
    script:
        "../scripts/embed.py"


# One HDF5 file per model and dataset: a virtual dataset over the shards, no bytes are copied.
rule gather:
    input:
        shard_embeddings,
    output:
        "results/embeddings/{model}/{dataset}.h5",
    log:
        "results/logs/gather/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/gather/{model}/{dataset}.tsv"
    wildcard_constraints:
        model=names(project.encoded),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("gather.py"),
    script:
        "../scripts/gather.py"


# A fusion's embeddings are its members' side by side: a file like any other, made from files
# instead of images.
rule fuse:
    input:
        member_embeddings,
    output:
        "results/embeddings/{model}/{dataset}.h5",
    log:
        "results/logs/fuse/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/fuse/{model}/{dataset}.tsv"
    wildcard_constraints:
        model=names(project.fusions),
    conda:
        "../../envs/faiss.yaml"
    resources:
        mem_mb=16000,
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        storage=project.settings["storage"],
        code=code("fuse.py"),
    script:
        "../scripts/fuse.py"


# The same as a zarr store, for object stores and lazy readers; made when it is asked for by name.
rule export_zarr:
    input:
        "results/embeddings/{model}/{dataset}.h5",
    output:
        directory("results/embeddings/{model}/{dataset}.zarr"),
    log:
        "results/logs/export_zarr/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/export_zarr/{model}/{dataset}.tsv"
    wildcard_constraints:
        model=names(project.searched),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("export_zarr.py"),
    script:
        "../scripts/export_zarr.py"
