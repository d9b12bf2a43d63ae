# Pictures of the neighbors.


# Queries with their first neighbors by every model, right and wrong marked.
rule gallery:
    input:
        neighbors=of_all_models(layout.NEIGHBORS),
        catalog=layout.POOL,
        fits=fitted_chances,
    output:
        report(
            layout.GALLERY,
            caption="../../radcbir/analyses/gallery/page.rst",
            category="{experiment}",
            subcategory=analyses.numbered("Errors"),
            labels={"what": "gallery, queries: {split}"},
        ),
    log:
        layout.log("gallery", "{experiment}/{split}"),
    benchmark:
        layout.benchmark("gallery", "{experiment}/{split}")
    conda:
        "../../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        cards=experiment_cards,
        gallery=project.settings["gallery"],
        intensities=intensities,
        retrieved=lambda wildcards: several(experiment_setting("unit")(wildcards)),
        code=code("analyses/gallery.py", template="analyses/gallery/gallery.html.j2"),
    script:
        "../../scripts/analyses/gallery.py"
