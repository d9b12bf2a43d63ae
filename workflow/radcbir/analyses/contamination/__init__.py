"""Has a model seen a dataset in training?"""

from radcbir.analyses import Analysis, Project


def _settings(project: Project, experiment: str) -> dict[str, dict[str, list[str]]]:
    datasets = project.experiments[experiment]["datasets"]
    return {"known_as": {each: project.known_as(each) for each in datasets}}


ANALYSIS = Analysis(
    name="contamination",
    title="Contamination",
    question="Has a model seen the data in training?",
    section="Can I trust it",
    summaries=("contamination",),
    page="contamination: what models have seen",
    settings=_settings,
    one_label=False,
)
