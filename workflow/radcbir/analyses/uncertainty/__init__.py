"""How sure are the figures, and which differences between models are real?"""

from radcbir.analyses import Analysis, Project
from radcbir.core import layout

FIGURES = {"intervals": "intervals and first ranks", "differences": "differences between models"}

FILES = (
    "intervals.csv",
    "differences.csv",
    "ranks.csv",
    *(layout.figure_page(each) for each in FIGURES),
)


def _files(project: Project, experiment: str) -> list[str]:
    patterns = [layout.of_experiment("uncertainty", each) for each in FILES]
    return [each.format(experiment=experiment) for each in patterns]


ANALYSIS = Analysis(
    name="uncertainty",
    title="Uncertainty",
    question="How sure is each figure, and which models differ beyond chance?",
    section="Which encoder",
    figures=FIGURES,
    own_rules=True,
    files=_files,
    needs_vectors=False,
)
