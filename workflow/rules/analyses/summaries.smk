# The summary of an analysis: the stacked tables of its models, its figures and its page. The rules
# differ in names only. The declarations in radcbir/analyses/<name>/__init__.py give the names.


def reported(analysis, file, label, caption):
    """A file of an analysis with its place in the report."""
    return report(
        layout.of_experiment(analysis.name, file),
        caption=f"../../radcbir/analyses/{analysis.name}/{caption}.rst",
        category="{experiment}",
        subcategory=analyses.numbered(analysis.section),
        labels={"what": label},
    )


def summary_inputs(analysis):
    """The models' tables by name, what else the summary reads, and what the models are ordered by."""
    models = lambda wildcards: analysis.models(project, wildcards.experiment)
    tables = {
        each: of_models(layout.of_model(analysis.name, f"{each}.csv"), models)
        for each in analysis.tables
    }
    inputs = lambda wildcards: analysis.inputs(project, wildcards.experiment)
    example = next(iter(project.experiments))
    others = {
        name: lambda wildcards, name=name: inputs(wildcards)[name]
        for name in analysis.inputs(project, example)
    }
    return tables | others | {"order": layout.comparison("summary.csv")}


def summary_outputs(analysis):
    """Tables, figures and page of an analysis."""
    files = {}
    for each in (*analysis.tables, *analysis.summaries):
        path = layout.of_experiment(analysis.name, f"{each}.csv")
        listed = each in analysis.reported
        files[each] = (
            reported(analysis, f"{each}.csv", analysis.reported[each], "tables") if listed else path
        )
    for each, label in analysis.figures.items():
        files[f"{each}_page"] = reported(analysis, layout.figure_page(each), label, each)
        for suffix in ("svg", "pdf"):
            files[f"{each}_{suffix}"] = layout.of_experiment(analysis.name, f"{each}.{suffix}")
    if analysis.page:
        files["page"] = reported(analysis, f"{analysis.name}.html", analysis.page, "page")
    return files


for analysis in analyses.summarised():

    # Most take seconds and read small tables, so they are local rules.
    rule:
        name:
            f"{analysis.name}_summary"
        input:
            **summary_inputs(analysis),
        output:
            **summary_outputs(analysis),
        log:
            layout.log(f"{analysis.name}_summary", "{experiment}"),
        benchmark:
            layout.benchmark(f"{analysis.name}_summary", "{experiment}")
        localrule: analysis.small
        conda:
            "../../../envs/analysis.yaml"
        resources:
            mem_mb=per_attempt(4000),
            runtime=per_attempt(30),
        params:
            analysis=analysis.name,
            figures=dict(analysis.figures),
            cards=lambda wildcards, analysis=analysis: shown_cards(
                analysis.models(project, wildcards.experiment)
            ),
            settings=lambda wildcards, analysis=analysis: analysis.settings(
                project, wildcards.experiment
            ),
            split=first_tested_split,
            code=code(
                "analyses/summarise.py",
                f"radcbir.analyses.{analysis.name}.summary",
                template=analysis.template if analysis.page else None,
                figures=analysis.name if analysis.figures else None,
            ),
        script:
            "../../scripts/analyses/summarise.py"
