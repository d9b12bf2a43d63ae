# What only the report needs.

from snakemake.sourcecache import infer_source_file

from radcbir.front_page import links
from radcbir.report.escape import escape_report

escape_report()

RESULTS = str(Path(layout.FRONT_PAGE).parent)


report: "../report/workflow.rst"


# The report begins with the verdicts, once they are there. The directive above looks beside this
# file only, which may be in a git repository.
if Path(layout.REPORT_WORDS).exists() and not workflow.modifier.skip_global_report_caption:
    workflow.report_text = infer_source_file(str(Path(layout.REPORT_WORDS).resolve()))


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
            category="All experiments",
            subcategory=analyses.numbered("Data and files"),
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
        configuration=Digested(hidden(project.shown_settings)),
        code=code("report/provenance.py", template="report/templates/provenance.html.j2"),
    script:
        "../scripts/report/provenance.py"


# What the front page says of an experiment: the verdict in words, the models in their order, and
# examples of the best model's errors.
rule front_experiment:
    input:
        summary=layout.comparison("summary.csv"),
        bounds=layout.comparison("bounds.csv"),
        uncertainty=uncertainty_tables,
        confidence=table_of("confidence", "confidence.csv"),
        gaps=table_of("subgroups", "gaps.csv"),
        areas=table_of("robustness", "areas.csv"),
        sites=table_of("robustness_index", "robustness_index.csv"),
        privacy=privacy_tables,
        gains=table_of("gains", "gains.csv"),
        left_out=table_of("gains", "left_out.csv"),
        structures=structures_table,
        per_query=of_all_models(layout.metrics("per_query.parquet")),
        neighbors=all_neighbor_tables,
        catalog=layout.POOL,
    output:
        layout.FRONT,
    log:
        layout.log("front_experiment", "{experiment}"),
    benchmark:
        layout.benchmark("front_experiment", "{experiment}")
    conda:
        "../../envs/analysis.yaml"
    resources:
        image_roots=image_roots,
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        cards=experiment_cards,
        index=experiment_setting("index"),
        index_split=experiment_setting("index_split"),
        query_splits=experiment_setting("query_splits"),
        val_split=experiment_setting("val_split"),
        retrieved=experiment_setting("unit"),
        statuses=contamination_statuses,
        intensities=intensities,
        pixels=project.settings["gallery"]["pixels"],
        code=code("report/front_experiment.py"),
    script:
        "../scripts/report/front_experiment.py"


# Per experiment which model is best, how sure that is, what its errors look like, and links to all
# else.
rule front_page:
    input:
        expand(layout.FRONT, experiment=project.experiments),
    output:
        page=report(
            layout.FRONT_PAGE,
            caption="../report/front_page.rst",
            category="All experiments",
            subcategory=analyses.numbered("Which encoder"),
            labels={"dataset": "all", "what": "which encoder is best"},
        ),
        words=layout.REPORT_WORDS,
    log:
        layout.log("front_page"),
    benchmark:
        layout.benchmark("front_page")
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        shown=Digested(
            {
                "links": {
                    each: links.of_experiment(project, each, RESULTS)
                    for each in project.experiments
                },
                "data_files": links.data_files(project, RESULTS),
                "introduction": REPORT_INTRODUCTION.read_text(encoding="utf-8"),
            }
        ),
        code=code("report/front_page.py", template="front_page/index.html.j2"),
    script:
        "../scripts/report/front_page.py"


# After a run that failed in part: what is missing, as a page of the report. `available` is what is
# there, so that the report can be made of it.
rule missing:
    output:
        report(
            layout.MISSING_PAGE,
            caption="../report/missing.rst",
            category="All experiments",
            subcategory=analyses.numbered("Data and files"),
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
