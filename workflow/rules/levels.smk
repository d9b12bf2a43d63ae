# Modality, region and finding apart.


# P@k level by level, the finding given the right region, and what wrong neighbors are, of one
# model.
rule levels:
    input:
        neighbors=neighbor_tables,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
    output:
        precision="results/experiments/{experiment}/{model}/levels/precision.csv",
        conditional="results/experiments/{experiment}/{model}/levels/conditional.csv",
        outcomes="results/experiments/{experiment}/{model}/levels/outcomes.csv",
    log:
        "results/logs/levels/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/levels/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("levels.py"),
    script:
        "../scripts/levels.py"


# The models' levels in one table per question, and their figures.
rule compare_levels:
    input:
        precision=of_all_models("results/experiments/{experiment}/{model}/levels/precision.csv"),
        conditional=of_all_models("results/experiments/{experiment}/{model}/levels/conditional.csv"),
        outcomes=of_all_models("results/experiments/{experiment}/{model}/levels/outcomes.csv"),
    output:
        precision="results/experiments/{experiment}/levels/precision.csv",
        conditional=report(
            "results/experiments/{experiment}/levels/conditional.csv",
            caption="../report/levels-tables.rst",
            category="{experiment}",
            subcategory="Levels",
            labels={"what": "finding given the right region (CSV)"},
        ),
        outcomes="results/experiments/{experiment}/levels/outcomes.csv",
        precision_svg=report(
            "results/experiments/{experiment}/levels/levels.svg",
            caption="../report/levels.rst",
            category="{experiment}",
            subcategory="Levels",
            labels={"what": "modality, region, finding apart"},
        ),
        precision_pdf="results/experiments/{experiment}/levels/levels.pdf",
        conditional_svg=report(
            "results/experiments/{experiment}/levels/conditional.svg",
            caption="../report/levels-conditional.rst",
            category="{experiment}",
            subcategory="Levels",
            labels={"what": "finding given the right region"},
        ),
        conditional_pdf="results/experiments/{experiment}/levels/conditional.pdf",
        outcomes_svg=report(
            "results/experiments/{experiment}/levels/outcomes.svg",
            caption="../report/levels-outcomes.rst",
            category="{experiment}",
            subcategory="Levels",
            labels={"what": "anatomy against pathology"},
        ),
        outcomes_pdf="results/experiments/{experiment}/levels/outcomes.pdf",
    log:
        "results/logs/compare_levels/{experiment}.log",
    benchmark:
        "results/benchmarks/compare_levels/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("compare_levels.py"),
    script:
        "../scripts/compare_levels.py"


localrules:
    compare_levels,
