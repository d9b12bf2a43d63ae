# What only the report needs.


# Which weights, code and library versions made each embedding file, and the configuration with its
# defaults.
rule provenance:
    input:
        embeddings=all_embeddings,
    output:
        table=layout.PROVENANCE,
        page=report(
            layout.PROVENANCE_PAGE,
            caption="../report/provenance.rst",
            category="Data",
            labels={"dataset": "all", "what": "provenance of the run"},
        ),
    log:
        layout.log("provenance"),
    benchmark:
        layout.benchmark("provenance")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        configuration={
            key: value for key, value in project.settings.items() if key not in WITHOUT_RESULTS
        },
        code=code("report/provenance.py", template="report/templates/provenance.html.j2"),
    script:
        "../scripts/report/provenance.py"
