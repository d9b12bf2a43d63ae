"""What do fewer dimensions and fewer bits lose?"""

from radcbir.analyses import Analysis, Project
from radcbir.analyses.variant_files import variant_files


def _searched(project: Project, experiment: str) -> list[str]:
    return project.searched_models(experiment)


def _settings(project: Project, experiment: str) -> dict[str, list[str]]:
    return {"query_splits": project.experiments[experiment]["query_splits"]}


def _inputs(project: Project, experiment: str) -> dict[str, list[str]]:
    return variant_files("dimensions", project, experiment)


ANALYSIS = Analysis(
    name="dimensions",
    title="Dimensions and storage",
    question="What do fewer dimensions and fewer bits lose?",
    section="Cost",
    summaries=("dimensions",),
    reported={"dimensions": "dimensions and storage (CSV)"},
    figures={"dimensions": "dimensions and storage: P@1 against bytes"},
    models=_searched,
    settings=_settings,
    inputs=_inputs,
    small=False,
)
