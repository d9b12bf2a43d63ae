# From a provider's files to a dataset CSV, for datasets with `prepare:`.


# Lists the images of a PACS that a query matches, and fetches those that are not here yet. The only
# rule that asks the server: a finished list stays as it is until the query changes, or until the rule
# is run again (`--forcerun fetch_dicomweb`). Images that came stay when it fails.
rule fetch_dicomweb:
    output:
        layout.DICOMWEB_INSTANCES,
    log:
        layout.log("fetch_dicomweb", "{dataset}"),
    benchmark:
        layout.benchmark("fetch_dicomweb", "{dataset}")
    localrule: True
    conda:
        "../../envs/pacs.yaml"
    resources:
        max_rejected=max_rejected,
    params:
        asked=asked_of_server,
    script:
        "../scripts/fetch/dicomweb.py"


# Reads the provider's metadata, splits by patient and selects images, by the options of `prepare:`.
rule prepare:
    input:
        unpack(provider_files),
    output:
        csv=project.prepared_csv,
        counts=layout.PREPARATION_COUNTS,
    log:
        layout.log("prepare", "{dataset}"),
    benchmark:
        layout.benchmark("prepare", "{dataset}")
    conda:
        "../../envs/analysis.yaml"
    threads: preparation_threads
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        options=preparation_options,
        images=original_images,
        listing=folder_listing,
        content=provider_content,
        code=preparation_code,
    script:
        "../scripts/datasets/prepare.py"


# The counts after each step as a page of the report.
rule preparation_page:
    input:
        layout.PREPARATION_COUNTS,
    output:
        report(
            layout.PREPARATION_PAGE,
            caption="../report/preparation.rst",
            category="All experiments",
            subcategory=analyses.numbered("Data and files"),
            labels={"dataset": "{dataset}", "what": "preparation, step by step"},
        ),
    log:
        layout.log("preparation_page", "{dataset}"),
    benchmark:
        layout.benchmark("preparation_page", "{dataset}")
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        options=preparation_options,
        code=code("datasets/preparation_page.py", template="report/templates/preparation.html.j2"),
    script:
        "../scripts/datasets/preparation_page.py"
