# What only the report needs: pictures of the neighbors, and what made the results.


# Queries with their first neighbors by every model, right and wrong marked.
rule gallery:
    input:
        neighbors=of_all_models("results/experiments/{experiment}/{model}/knn/{split}.parquet"),
        catalog="results/experiments/{experiment}/catalog.parquet",
        template=template("gallery"),
        base=template("page"),
    output:
        report(
            "results/experiments/{experiment}/gallery/{split}.html",
            caption="../report/gallery.rst",
            category="{experiment}",
            labels={"what": "gallery, queries: {split}"},
        ),
    log:
        "results/logs/gallery/{experiment}/{split}.log",
    benchmark:
        "results/benchmarks/gallery/{experiment}/{split}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
    params:
        cards=experiment_cards,
        gallery=project.settings["gallery"],
        intensities=intensities,
        code=code("gallery.py"),
    script:
        "../scripts/gallery.py"


# Which weights, code and library versions made each embedding file, and the configuration with its
# defaults.
rule provenance:
    input:
        embeddings=all_embeddings,
        template=template("provenance"),
        base=template("page"),
    output:
        table="results/provenance/provenance.csv",
        page=report(
            "results/provenance/provenance.html",
            caption="../report/provenance.rst",
            category="Data",
            labels={"dataset": "all", "what": "provenance of the run"},
        ),
    log:
        "results/logs/provenance.log",
    benchmark:
        "results/benchmarks/provenance.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        configuration={
            key: value for key, value in project.settings.items() if key not in WITHOUT_RESULTS
        },
        code=code("provenance.py"),
    script:
        "../scripts/provenance.py"
