"""Does a model find the same finding in another dataset?"""

from radcbir.analyses import Analysis, Project, vector_models


def _without(project: Project, experiment: str) -> str:
    several = len(project.experiments[experiment]["datasets"]) > 1
    return "" if several else "the experiment has one dataset"


ANALYSIS = Analysis(
    name="cross_dataset",
    title="Across datasets",
    question="Does a model find the same finding in another dataset?",
    section="Can I trust it",
    tables=("cross_dataset", "source_purity"),
    models=vector_models,
    figures={"cross_dataset": "retrieval across datasets"},
    page="retrieval across datasets (tables)",
    without=_without,
)
