# Does a larger index help?


# The same queries against nested random parts of the index, each searched exactly: a few full
# searches' time per model.
rule index_size:
    input:
        embeddings=experiment_embeddings,
        catalog="results/experiments/{experiment}/catalog.parquet",
        images=ancient(index_images),
        queries=ancient(query_images),
    output:
        "results/experiments/{experiment}/{model}/index-size/index-size.csv",
    log:
        "results/logs/index_size/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/index_size/{experiment}/{model}.tsv"
    conda:
        "../../envs/faiss.yaml"
    threads: 8
    resources:
        mem_mb=16000,
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        fusion=fused_search,
        index_size=project.settings["index_size"],
        code=code("index_size.py"),
    script:
        "../scripts/index_size.py"


# The models in one table, and their curves over the size of the index.
rule compare_index_size:
    input:
        of_all_models("results/experiments/{experiment}/{model}/index-size/index-size.csv"),
    output:
        table=report(
            "results/experiments/{experiment}/index-size/index-size.csv",
            caption="../report/index-size.rst",
            category="{experiment}",
            subcategory="Index size",
            labels={"what": "effect of index size (CSV)"},
        ),
        figure=report(
            "results/experiments/{experiment}/index-size/index-size.svg",
            caption="../report/index-size.rst",
            category="{experiment}",
            subcategory="Index size",
            labels={"what": "effect of index size"},
        ),
        figure_pdf="results/experiments/{experiment}/index-size/index-size.pdf",
    log:
        "results/logs/compare_index_size/{experiment}.log",
    benchmark:
        "results/benchmarks/compare_index_size/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("compare_index_size.py"),
    script:
        "../scripts/compare_index_size.py"


localrules:
    compare_index_size,
