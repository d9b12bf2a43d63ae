# The images as dots in the plane.


# The coordinates of a sample of the images in two dimensions, by one model (t-SNE).
rule map_coordinates:
    input:
        catalog=layout.POOL,
        embeddings=experiment_embeddings,
    output:
        layout.of_model("map", "coordinates.parquet"),
    log:
        layout.log("map_coordinates", "{experiment}/{model}"),
    benchmark:
        layout.benchmark("map_coordinates", "{experiment}/{model}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        images=project.settings["map"]["images"],
        code=code("analyses/map_coordinates.py"),
    script:
        "../../scripts/analyses/map_coordinates.py"


# The map as one page that opens without network: models to choose from, right and wrong answers,
# images under the pointer and inside a lasso.
rule map_summary:
    input:
        maps=of_models(layout.of_model("map", "coordinates.parquet"), models_with_vectors),
        per_query=of_models(layout.metrics("per_query.parquet"), models_with_vectors),
        catalog=layout.POOL,
    output:
        report(
            layout.of_experiment("map", "map.html"),
            caption="../../radcbir/analyses/map/page.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Errors"),
            labels={"what": "map of the embedding spaces"},
        ),
    log:
        layout.log("map_summary", "{experiment}"),
    benchmark:
        layout.benchmark("map_summary", "{experiment}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        cards=lambda wildcards: shown_cards(models_with_vectors(wildcards)),
        settings=project.settings["map"],
        intensities=intensities,
        code=code("analyses/map_summary.py", template="analyses/map/map.html.j2"),
    script:
        "../../scripts/analyses/map_summary.py"
