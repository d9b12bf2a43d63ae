# What texts find, for models with a text tower.


# Words each label of an experiment as prompts.
rule prompts:
    input:
        catalog=layout.POOL,
        templates=project.prompts_file or [],
    output:
        layout.PROMPTS,
    log:
        layout.log("prompts", "{experiment}"),
    benchmark:
        layout.benchmark("prompts", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        code=code("analyses/prompts.py"),
    script:
        "../../scripts/analyses/prompts.py"


# One vector per label: the mean of the vectors of its prompts.
rule embed_text:
    input:
        prompts=layout.PROMPTS,
        weights=weights,
    output:
        layout.TEXT_VECTORS,
    log:
        layout.log("embed_text", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("embed_text", "{experiment}/{model}")
    conda:
        "../../../envs/torch.yaml"
    threads: 2
    resources:
        weights=weights_location,
        device=project.settings["device"],
        gpu=int(project.settings["device"] != "cpu"),
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        card=lambda wildcards: project.meanings[wildcards.model],
        code=text_encoder_code,
    script:
        "../../scripts/analyses/embed_text.py"


# Zero-shot classification of the query splits, and retrieval from the index split, by the labels' texts.
rule text_queries:
    input:
        texts=layout.TEXT_VECTORS,
        embeddings=experiment_embeddings,
        catalog=layout.POOL,
    output:
        summary=layout.of_model("text_queries", "summary.csv"),
        zero_shot=layout.of_model("text_queries", "zero_shot.csv"),
        retrieval=layout.of_model("text_queries", "retrieval.csv"),
        found=layout.of_model("text_queries", "found.parquet"),
    log:
        layout.log("text_queries", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("text_queries", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(120),
    params:
        k=experiment_setting("k"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("analyses/text_queries.py"),
    script:
        "../../scripts/analyses/text_queries.py"


# All models with a text tower side by side, and the first images of each label's text. An experiment
# without such a model gets a page that says so.
rule text_queries_summary:
    input:
        summary=of_text_models(layout.of_model("text_queries", "summary.csv")),
        found=of_text_models(layout.of_model("text_queries", "found.parquet")),
        prompts=prompts_of_text_models,
        catalog=layout.POOL,
    output:
        table=layout.of_experiment("text_queries", "text_queries.csv"),
        page=report(
            layout.of_experiment("text_queries", "text_queries.html"),
            caption="../../radcbir/analyses/text_queries/page.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Which encoder"),
            labels={"what": "text queries"},
        ),
    log:
        layout.log("text_queries_summary", "{experiment}"),
    benchmark:
        layout.benchmark("text_queries_summary", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        names=text_model_names,
        without=models_without_text,
        gallery=project.settings["gallery"],
        intensities=intensities,
        code=code(
            "analyses/text_queries_summary.py",
            template="analyses/text_queries/text_queries.html.j2",
        ),
    script:
        "../../scripts/analyses/text_queries_summary.py"
