"""What do approximate indexes lose, and how fast are they?"""

from radcbir.analyses import Analysis, Project
from radcbir.analyses.variant_files import variant_files
from radcbir.core import layout


def _searched(project: Project, experiment: str) -> list[str]:
    return project.searched_models(experiment)


def _settings(project: Project, experiment: str) -> dict[str, list[str]]:
    return {"query_splits": project.experiments[experiment]["query_splits"]}


def _inputs(project: Project, experiment: str) -> dict[str, list[str]]:
    splits = project.experiments[experiment]["query_splits"]
    timings = [
        layout.INDEX_TIMINGS.format(experiment=experiment, model=model, split=split)
        for model in _searched(project, experiment)
        for split in splits
    ]
    return variant_files("index_fidelity", project, experiment) | {"timings": timings}


ANALYSIS = Analysis(
    name="index_fidelity",
    title="Approximate indexes",
    question="What do approximate indexes lose, and how fast are they?",
    section="Cost",
    summaries=("index_fidelity", "index_timings"),
    reported={"index_fidelity": "approximate indexes (CSV)"},
    figures={"index_fidelity": "approximate indexes: recall against speed"},
    models=_searched,
    settings=_settings,
    inputs=_inputs,
    small=False,
)
