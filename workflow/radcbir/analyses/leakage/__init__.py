"""How much of the precision comes from the same patient, the same study, or near duplicates?"""

from radcbir.analyses import Analysis, Project
from radcbir.core import layout


def _inputs(project: Project, experiment: str) -> dict[str, list[str]]:
    pattern = layout.of_experiment("leakage", "without_embedding_duplicates.csv")
    return {"without_duplicates": [pattern.format(experiment=experiment)]}


ANALYSIS = Analysis(
    name="leakage",
    title="Leakage",
    question="Does a model find findings, or the same patient and near duplicates again?",
    section="Can I trust it",
    tables=("leakage",),
    figures={"leakage": "leakage"},
    page="leakage: patients, studies, near duplicates (table)",
    inputs=_inputs,
)
