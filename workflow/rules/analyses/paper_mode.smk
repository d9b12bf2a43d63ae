# The figures as the paper's scripts compute them, with their quirks, and results in the reference's
# files.


# Every headline figure of a model in both ways, and the effect of each quirk alone.
rule paper_mode:
    input:
        neighbors=paper_neighbors,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
        csvs=experiment_csvs,
    output:
        layout.of_model("paper_mode", "paper_mode.csv"),
    log:
        layout.log("paper_mode", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("paper_mode", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        splits=paper_splits,
        datasets=experiment_setting("datasets"),
        paper_mode=experiment_setting("paper_mode"),
        code=code("analyses/paper_mode.py"),
    script:
        "../../scripts/analyses/paper_mode.py"


# Neighbor lists (knn.csv) and P@k (retrieval.csv) as the reference's scripts write them.
rule export_retrieval:
    input:
        neighbors=paper_neighbors,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
        csvs=experiment_csvs,
    output:
        lists=layout.reference("knn.csv"),
        retrieval=layout.reference("retrieval.csv"),
    log:
        layout.log("export_retrieval", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("export_retrieval", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        splits=paper_splits,
        datasets=experiment_setting("datasets"),
        paper_mode=experiment_setting("paper_mode"),
        code=code("analyses/export_retrieval.py"),
    script:
        "../../scripts/analyses/export_retrieval.py"


# Its kNN classification: every k on the validation split, and the chosen one on the test split.
rule export_classification:
    input:
        neighbors=paper_neighbors,
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
        csvs=experiment_csvs,
    output:
        validation=layout.reference("knn_validation_val.csv"),
        classification=layout.reference("knn_classification.csv"),
    log:
        layout.log("export_classification", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("export_classification", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        splits=paper_splits,
        datasets=experiment_setting("datasets"),
        paper_mode=experiment_setting("paper_mode"),
        code=code("analyses/export_classification.py"),
    script:
        "../../scripts/analyses/export_classification.py"
