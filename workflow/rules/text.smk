# What texts find: for models with a text tower, labels worded as prompts.


# Words each label of an experiment as prompts.
rule prompts:
    input:
        catalog="results/experiments/{experiment}/catalog.parquet",
        templates=project.prompts_file or [],
    output:
        "results/experiments/{experiment}/prompts.csv",
    log:
        "results/logs/prompts/{experiment}.log",
    benchmark:
        "results/benchmarks/prompts/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("prompts.py"),
    script:
        "../scripts/prompts.py"


# One vector per label: the mean of its prompts'.
rule embed_text:
    input:
        prompts="results/experiments/{experiment}/prompts.csv",
        weights=weights,
    output:
        "results/experiments/{experiment}/{model}/text/labels.h5",
    log:
        "results/logs/embed_text/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/embed_text/{experiment}/{model}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 2
    resources:
        weights=weights_location,
        device=project.settings["device"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=8000,
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        code=text_encoder_code,
    script:
        "../scripts/embed_text.py"


# Zero-shot classification of the query splits, and retrieval from the index split, by the labels'
# texts.
rule text_queries:
    input:
        texts="results/experiments/{experiment}/{model}/text/labels.h5",
        embeddings=experiment_embeddings,
        catalog="results/experiments/{experiment}/catalog.parquet",
    output:
        summary="results/experiments/{experiment}/{model}/text/summary.csv",
        zero_shot="results/experiments/{experiment}/{model}/text/zero_shot.csv",
        retrieval="results/experiments/{experiment}/{model}/text/retrieval.csv",
        found="results/experiments/{experiment}/{model}/text/found.parquet",
    log:
        "results/logs/text_queries/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/text_queries/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("text_queries.py"),
    script:
        "../scripts/text_queries.py"


# All models with a text tower side by side, and the first images of each label's text. An
# experiment without such a model gets a page that says so.
rule text_page:
    input:
        summary=of_text_models("results/experiments/{experiment}/{model}/text/summary.csv"),
        found=of_text_models("results/experiments/{experiment}/{model}/text/found.parquet"),
        prompts=of_text_models("results/experiments/{experiment}/prompts.csv"),
        catalog="results/experiments/{experiment}/catalog.parquet",
        template=template("text-queries"),
        base=template("page"),
    output:
        table="results/experiments/{experiment}/comparison/text-queries.csv",
        page=report(
            "results/experiments/{experiment}/comparison/text-queries.html",
            caption="../report/text-queries.rst",
            category="{experiment}",
            labels={"what": "text queries"},
        ),
    log:
        "results/logs/text_page/{experiment}.log",
    benchmark:
        "results/benchmarks/text_page/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
    params:
        names=text_model_names,
        without=models_without_text,
        gallery=project.settings["gallery"],
        code=code("text_page.py"),
    script:
        "../scripts/text_page.py"
