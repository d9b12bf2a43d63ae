# From a user's CSV to a checked catalog, and from the catalog to content-named lists of images.


# Checks a dataset CSV and looks every image up once; what is missing goes into the ledger. It runs
# again where the CSV has another content, whatever its date, and where image files were replaced.
rule catalog:
    input:
        csv=dataset_setting("csv"),
    output:
        catalog=layout.CATALOG,
        rejected=layout.REJECTED_ROWS,
    log:
        layout.log("catalog", "{dataset}"),
    benchmark:
        layout.benchmark("catalog", "{dataset}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        max_rejected=max_rejected,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        images=dataset_setting("images"),
        files=image_files,
        content=csv_content,
        code=code("datasets/catalog.py"),
    script:
        "../scripts/datasets/catalog.py"


# Lists the images of each shard in a file that is named after its content. An embedding job depends
# on the list by name, so an unchanged shard is never embedded again. The names of the lists are
# known when the checkpoint `audited` is done.
rule shards:
    input:
        layout.CATALOG,
    output:
        directory(layout.SHARDS),
    log:
        layout.log("shards", "{dataset}"),
    benchmark:
        layout.benchmark("shards", "{dataset}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        size=project.settings["shard_size"],
        code=code("datasets/shards.py"),
    script:
        "../scripts/datasets/shards.py"


# The same for the series of a dataset, where an encoder takes each as one volume. The names of the
# lists are known when the checkpoint `audited` is done.
rule volumes:
    input:
        layout.CATALOG,
    output:
        directory(layout.VOLUMES),
    log:
        layout.log("volumes", "{dataset}"),
    benchmark:
        layout.benchmark("volumes", "{dataset}")
    wildcard_constraints:
        dataset=names(project.of_volumes),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        size=project.settings["volume_shard_size"],
        code=code("datasets/volumes.py"),
    script:
        "../scripts/datasets/volumes.py"


# Lists everything that the catalog and each model rejected, and checks that the counts add up.
rule ledger:
    input:
        catalog=layout.CATALOG,
        rejected=layout.REJECTED_ROWS,
        embeddings=dataset_embeddings,
        volumes=ancient(dataset_volumes),
    output:
        ledger=layout.LEDGER,
        coverage=layout.COVERAGE,
        page=report(
            layout.LEDGER_PAGE,
            caption="../report/ledger.rst",
            category="All experiments",
            subcategory=analyses.numbered("Data and files"),
            labels={"dataset": "{dataset}", "what": "ledger of rejected images"},
        ),
    log:
        layout.log("ledger", "{dataset}"),
    benchmark:
        layout.benchmark("ledger", "{dataset}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        names=model_names,
        volumetric=project.volumetric,
        code=code("datasets/ledger.py", template="report/templates/ledger.html.j2"),
    script:
        "../scripts/datasets/ledger.py"
