# What the embedding spaces look like: measures of their shape, their hubs, and a map to look at.


# Silhouette, effective rank, alignment, uniformity, intrinsic dimension and hubness of one model's
# embeddings.
rule embedding_space:
    input:
        neighbors=neighbor_tables,
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
    output:
        space="results/experiments/{experiment}/{model}/metrics/embedding_space.csv",
        hubness="results/experiments/{experiment}/{model}/metrics/hubness.csv",
    log:
        "results/logs/embedding_space/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/embedding_space/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        code=code("embedding_space.py"),
    script:
        "../scripts/embedding_space.py"


# The measures of all models side by side, and what the known remedies against hubs do.
rule embedding_space_page:
    input:
        space=of_all_models("results/experiments/{experiment}/{model}/metrics/embedding_space.csv"),
        hubness=of_all_models("results/experiments/{experiment}/{model}/metrics/hubness.csv"),
        template=template("tables"),
        base=template("page"),
    output:
        space="results/experiments/{experiment}/comparison/embedding_space.csv",
        hubness="results/experiments/{experiment}/comparison/hubness.csv",
        page=report(
            "results/experiments/{experiment}/comparison/embedding_space.html",
            caption="../report/embedding_space.rst",
            category="{experiment}",
            labels={"what": "shape of the embedding spaces (tables)"},
        ),
        figure=report(
            "results/experiments/{experiment}/comparison/embedding_space.svg",
            caption="../report/embedding_space_figure.rst",
            category="{experiment}",
            labels={"what": "shape of the embedding spaces"},
        ),
        figure_pdf="results/experiments/{experiment}/comparison/embedding_space.pdf",
        remedies=report(
            "results/experiments/{experiment}/comparison/hubness.svg",
            caption="../report/hubness.rst",
            category="{experiment}",
            labels={"what": "hubs and their remedies"},
        ),
        remedies_pdf="results/experiments/{experiment}/comparison/hubness.pdf",
    log:
        "results/logs/embedding_space_page/{experiment}.log",
    benchmark:
        "results/benchmarks/embedding_space_page/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        cards=experiment_cards,
        code=code("embedding_space_page.py"),
    script:
        "../scripts/embedding_space_page.py"


# Where a sample of the images lies in the plane, by one model (t-SNE).
rule map_coordinates:
    input:
        catalog="results/experiments/{experiment}/catalog.parquet",
        embeddings=experiment_embeddings,
    output:
        "results/experiments/{experiment}/{model}/map.parquet",
    log:
        "results/logs/map_coordinates/{experiment}/{model}.log",
    benchmark:
        "results/benchmarks/map_coordinates/{experiment}/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
    params:
        images=project.settings["map"]["images"],
        code=code("map_coordinates.py"),
    script:
        "../scripts/map_coordinates.py"


# The map as one page that opens without network: models to choose from, thumbnails under the
# pointer.
rule map_page:
    input:
        maps=of_all_models("results/experiments/{experiment}/{model}/map.parquet"),
        catalog="results/experiments/{experiment}/catalog.parquet",
        template=template("map"),
        base=template("page"),
    output:
        report(
            "results/experiments/{experiment}/comparison/map.html",
            caption="../report/map.rst",
            category="{experiment}",
            labels={"what": "map of the embedding spaces"},
        ),
    log:
        "results/logs/map_page/{experiment}.log",
    benchmark:
        "results/benchmarks/map_page/{experiment}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
    params:
        cards=experiment_cards,
        settings=project.settings["map"],
        intensities=intensities,
        code=code("map_page.py"),
    script:
        "../scripts/map_page.py"


localrules:
    embedding_space_page,
