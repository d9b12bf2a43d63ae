# What approximate indexes lose.


# Builds every kind of index and searches it along its search parameter. Labels come later, so that an
# edited label builds nothing again. The timings are of this machine and this moment: they are apart from
# the results, and nothing goes stale by them. One thread, so that they compare.
rule index_fidelity:
    input:
        embeddings=experiment_embeddings,
        images=ancient(index_images),
        queries=ancient(split_images),
    output:
        variants=layout.of_model("index_fidelity", "{split}.variants.csv"),
        neighbors=layout.of_model("index_fidelity", "{split}.neighbors.parquet"),
        timings=layout.INDEX_TIMINGS,
    log:
        layout.log("index_fidelity", "{experiment}/{model}/{split}"),
    benchmark:
        layout.benchmark("index_fidelity", "{experiment}/{model}/{split}")
    conda:
        "../../../envs/faiss.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(32000),
        runtime=per_attempt(480),
    params:
        code=code("analyses/index_fidelity.py"),
    script:
        "../../scripts/analyses/index_fidelity.py"
