# When a neighbor can be believed.


# The chance that a hit is right, how many hits are enough, and what is unlike the benchmark, of one
# model, from its neighbor lists. `fitted` is what the gallery, queries and the page read.
rule confidence:
    input:
        neighbors=neighbor_tables,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        confidence=layout.of_model("confidence", "confidence.csv"),
        reliability=layout.of_model("confidence", "reliability.csv"),
        risk_coverage=layout.of_model("confidence", "risk_coverage.csv"),
        first_right=layout.of_model("confidence", "first_right.csv"),
        sets=layout.of_model("confidence", "sets.csv"),
        unlike=layout.of_model("confidence", "unlike.csv"),
        fitted=layout.FITTED_CHANCE,
    log:
        layout.log("confidence", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("confidence", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        k=experiment_setting("k"),
        alpha=project.settings["confidence"]["alpha"],
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        own_vectors=has_cosines,
        code=code("analyses/confidence.py"),
    script:
        "../../scripts/analyses/confidence.py"
