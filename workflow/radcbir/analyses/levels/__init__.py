"""Are modality, region and finding right, each on its own?"""

from radcbir.analyses import Analysis, Project
from radcbir.core import layout


def _inputs(project: Project, experiment: str) -> dict[str, list[str]]:
    pattern = layout.of_model("levels", "per_query.parquet")
    models = project.experiments[experiment]["models"]
    return {
        "per_query": [pattern.format(experiment=experiment, model=model) for model in models],
        "catalog": [layout.POOL.format(experiment=experiment)],
    }


ANALYSIS = Analysis(
    name="levels",
    title="Modality, region, finding",
    question="How far off are the errors: modality, region or finding?",
    section="Errors",
    tables=("precision", "outcomes"),
    summaries=("conditional",),
    reported={"conditional": "finding given the right region (CSV)"},
    figures={
        "levels": "modality, region, finding apart",
        "conditional": "finding given the right region",
        "outcomes": "anatomy against pathology",
    },
    needs_vectors=False,
    inputs=_inputs,
    small=False,
)
