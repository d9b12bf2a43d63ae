# What approximate indexes lose.


# Builds every kind of index and searches it with each value of its search parameter. Labels are
# used later, so an edited label builds nothing again. The timings depend on the machine and the
# moment. They are not part of the results and make nothing stale. One thread, so that timings can
# be compared. The exact search is a small part of the job, so the job uses a GPU that it sees, but
# asks for none.
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
        search_device="cpu" if project.settings["search"]["device"] == "cpu" else "auto",
        mem_mb=per_attempt(32000),
        runtime=per_attempt(480),
    params:
        code=code("analyses/index_fidelity.py", *GPU_SEARCH),
    script:
        "../../scripts/analyses/index_fidelity.py"
