# What fewer dimensions and fewer bits lose.


# Searches exactly with principal components, whitened components, the first dimensions, and numbers
# of fewer bits. One thread, because the number of threads changes the rounding of the
# decomposition.
rule dimensions:
    input:
        embeddings=experiment_embeddings,
        images=ancient(index_images),
        queries=ancient(split_images),
    output:
        variants=layout.of_model("dimensions", "{split}.variants.csv"),
        neighbors=layout.of_model("dimensions", "{split}.neighbors.parquet"),
    log:
        layout.log("dimensions", "{experiment}/{model}/{split}"),
    benchmark:
        layout.benchmark("dimensions", "{experiment}/{model}/{split}")
    conda:
        "../../../envs/faiss.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(32000),
        runtime=per_attempt(480),
    params:
        code=code("analyses/dimensions.py"),
    script:
        "../../scripts/analyses/dimensions.py"
