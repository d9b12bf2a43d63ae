# From a user's CSV to a checked catalog, and from the catalog to content-named lists of images.


# Checks a dataset CSV and looks every image up once; what is missing goes into the ledger.
rule catalog:
    input:
        csv=dataset_setting("csv"),
    output:
        catalog="results/datasets/{dataset}/catalog.parquet",
        rejected="results/datasets/{dataset}/rejected-rows.csv",
    log:
        "results/logs/catalog/{dataset}.log",
    benchmark:
        "results/benchmarks/catalog/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        max_rejected=max_rejected,
    params:
        images=dataset_setting("images"),
        code=code("catalog.py"),
    script:
        "../scripts/catalog.py"


# Lists the images of each shard in a file named after its content. An embedding job depends on the
# list by name, so an unchanged shard is never embedded again; which lists there are is known once
# the checkpoint `audited` is done.
rule shards:
    input:
        "results/datasets/{dataset}/catalog.parquet",
    output:
        directory("results/datasets/{dataset}/shards"),
    log:
        "results/logs/shards/{dataset}.log",
    benchmark:
        "results/benchmarks/shards/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        size=project.settings["shard_size"],
        code=code("shards.py"),
    script:
        "../scripts/shards.py"


# Everything that was rejected on the way, by the catalog and by each model, and that the counts add
# up.
rule ledger:
    input:
        catalog="results/datasets/{dataset}/catalog.parquet",
        rejected="results/datasets/{dataset}/rejected-rows.csv",
        embeddings=dataset_embeddings,
        template=template("ledger"),
        base=template("page"),
    output:
        ledger="results/datasets/{dataset}/ledger.csv",
        coverage="results/datasets/{dataset}/coverage.csv",
        page=report(
            "results/datasets/{dataset}/ledger.html",
            caption="../report/ledger.rst",
            category="Data",
            labels={"dataset": "{dataset}", "what": "ledger of rejected images"},
        ),
    log:
        "results/logs/ledger/{dataset}.log",
    benchmark:
        "results/benchmarks/ledger/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("ledger.py"),
    script:
        "../scripts/ledger.py"
