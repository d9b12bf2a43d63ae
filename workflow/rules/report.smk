# What only the report needs.

from radcbir.report.escape import escape_report

escape_report()


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
        configuration=hidden(
            {key: value for key, value in project.settings.items() if key not in WITHOUT_RESULTS}
        ),
        code=code("report/provenance.py", template="report/templates/provenance.html.j2"),
    script:
        "../scripts/report/provenance.py"


# After a run that failed in part: what is missing, as a page of the report. `available` is what is
# there, so that the report can be made of it.
rule missing:
    output:
        report(
            layout.MISSING_PAGE,
            caption="../report/missing.rst",
            category="Missing",
            labels={"dataset": "all", "what": "what is missing"},
        ),
    log:
        layout.log("missing"),
    benchmark:
        layout.benchmark("missing")
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        missing=lambda wildcards: targets.missing(project),
        code=code("report/missing.py", template="report/templates/tables.html.j2"),
    script:
        "../scripts/report/missing.py"


rule available:
    input:
        [each for each in [layout.MISSING_PAGE] if Path(each).exists()],
        targets.available(project),
