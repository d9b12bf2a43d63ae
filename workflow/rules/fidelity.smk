# What cheaper search and cheaper storage lose: approximate indexes, fewer dimensions, fewer bits
# per number.


# Builds every kind of index and searches it along its search parameter. Labels come later, so that
# an edited label builds nothing again. The timings are of this machine and this moment: they lie
# apart, and nothing goes stale by them. One thread, so that they compare.
rule index_fidelity:
    input:
        embeddings=experiment_embeddings,
        images=ancient(index_images),
        queries=ancient(split_images),
    output:
        variants="results/experiments/{experiment}/{model}/fidelity/{split}.indexes.csv",
        neighbors="results/experiments/{experiment}/{model}/fidelity/{split}.indexes.parquet",
        timings="results/benchmarks/index_timings/{experiment}/{model}/{split}.csv",
    log:
        "results/logs/index_fidelity/{experiment}/{model}/{split}.log",
    benchmark:
        "results/benchmarks/index_fidelity/{experiment}/{model}/{split}.tsv"
    conda:
        "../../envs/faiss.yaml"
    threads: 1
    resources:
        mem_mb=16000,
    params:
        code=code("index_fidelity.py"),
    script:
        "../scripts/index_fidelity.py"


# Searches exactly among principal components, whitened ones, the first dimensions, and numbers of
# fewer bits. One thread: the decomposition is rounded by how threads share it.
rule dimensions:
    input:
        embeddings=experiment_embeddings,
        images=ancient(index_images),
        queries=ancient(split_images),
    output:
        variants="results/experiments/{experiment}/{model}/fidelity/{split}.dimensions.csv",
        neighbors="results/experiments/{experiment}/{model}/fidelity/{split}.dimensions.parquet",
    log:
        "results/logs/dimensions/{experiment}/{model}/{split}.log",
    benchmark:
        "results/benchmarks/dimensions/{experiment}/{model}/{split}.tsv"
    conda:
        "../../envs/faiss.yaml"
    threads: 1
    resources:
        mem_mb=16000,
    params:
        code=code("dimensions.py"),
    script:
        "../scripts/dimensions.py"


# Puts labels to what the indexes found: recall, and the change of P@k against the exact index, of
# all models.
rule index_fidelity_table:
    input:
        variants=of_searched_models(
            "results/experiments/{experiment}/{model}/fidelity/{split}.indexes.csv"
        ),
        neighbors=of_searched_models(
            "results/experiments/{experiment}/{model}/fidelity/{split}.indexes.parquet"
        ),
        per_query=of_searched_models(
            "results/experiments/{experiment}/{model}/metrics/per_query.parquet"
        ),
        catalog="results/experiments/{experiment}/catalog.parquet",
    output:
        report(
            "results/experiments/{experiment}/comparison/index-fidelity.csv",
            caption="../report/index-fidelity-table.rst",
            category="{experiment}",
            labels={"what": "approximate indexes (CSV)"},
        ),
    log:
        "results/logs/index_fidelity_table/{experiment}.log",
    benchmark:
        "results/benchmarks/index_fidelity_table/{experiment}.tsv"
    conda:
        "../../envs/faiss.yaml"
    params:
        models=searched_models,
        query_splits=experiment_setting("query_splits"),
        code=code("fidelity_table.py"),
    script:
        "../scripts/fidelity_table.py"


# The same for fewer dimensions and fewer bits.
rule dimensions_table:
    input:
        variants=of_searched_models(
            "results/experiments/{experiment}/{model}/fidelity/{split}.dimensions.csv"
        ),
        neighbors=of_searched_models(
            "results/experiments/{experiment}/{model}/fidelity/{split}.dimensions.parquet"
        ),
        per_query=of_searched_models(
            "results/experiments/{experiment}/{model}/metrics/per_query.parquet"
        ),
        catalog="results/experiments/{experiment}/catalog.parquet",
    output:
        report(
            "results/experiments/{experiment}/comparison/dimensions.csv",
            caption="../report/dimensions-table.rst",
            category="{experiment}",
            labels={"what": "dimensions and storage (CSV)"},
        ),
    log:
        "results/logs/dimensions_table/{experiment}.log",
    benchmark:
        "results/benchmarks/dimensions_table/{experiment}.tsv"
    conda:
        "../../envs/faiss.yaml"
    params:
        models=searched_models,
        query_splits=experiment_setting("query_splits"),
        code=code("fidelity_table.py"),
    script:
        "../scripts/fidelity_table.py"


# Recall against queries per second; the timings of all models in one table beside it.
rule index_fidelity_figure:
    input:
        table="results/experiments/{experiment}/comparison/index-fidelity.csv",
        timings=ancient(
            of_searched_models("results/benchmarks/index_timings/{experiment}/{model}/{split}.csv")
        ),
    output:
        figure=report(
            "results/experiments/{experiment}/comparison/index-fidelity.svg",
            caption="../report/index-fidelity.rst",
            category="{experiment}",
            labels={"what": "approximate indexes: recall against speed"},
        ),
        pdf="results/experiments/{experiment}/comparison/index-fidelity.pdf",
        timings="results/experiments/{experiment}/comparison/index-timings.csv",
    log:
        "results/logs/index_fidelity_figure/{experiment}.log",
    benchmark:
        "results/benchmarks/index_fidelity_figure/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        names=searched_model_names,
        query_splits=experiment_setting("query_splits"),
        code=code("index_fidelity_figure.py"),
    script:
        "../scripts/index_fidelity_figure.py"


# P@1 against bytes per vector.
rule dimensions_figure:
    input:
        table="results/experiments/{experiment}/comparison/dimensions.csv",
    output:
        figure=report(
            "results/experiments/{experiment}/comparison/dimensions.svg",
            caption="../report/dimensions.rst",
            category="{experiment}",
            labels={"what": "dimensions and storage: P@1 against bytes"},
        ),
        pdf="results/experiments/{experiment}/comparison/dimensions.pdf",
    log:
        "results/logs/dimensions_figure/{experiment}.log",
    benchmark:
        "results/benchmarks/dimensions_figure/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        names=searched_model_names,
        query_splits=experiment_setting("query_splits"),
        code=code("dimensions_figure.py"),
    script:
        "../scripts/dimensions_figure.py"


localrules:
    index_fidelity_figure,
    dimensions_figure,
