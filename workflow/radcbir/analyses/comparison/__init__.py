"""The retrieval metrics of all models side by side: part of every experiment."""

from radcbir.analyses import Analysis, Project
from radcbir.core import layout

FIGURES = {"precision_at_k": "P@k curves", "precision_by_group": "P@1 by modality and region"}

FILES = (
    "summary.csv",
    "bounds.csv",
    "models.html",
    "labels.html",
    *(layout.figure_page(each) for each in FIGURES),
)


def _files(project: Project, experiment: str) -> list[str]:
    return [layout.comparison(each).format(experiment=experiment) for each in FILES]


ANALYSIS = Analysis(
    name="comparison",
    title="Retrieval metrics",
    question="Which encoder finds images with the same label most often?",
    section="Which encoder",
    figures=FIGURES,
    own_rules=True,
    files=_files,
    needs_vectors=False,
    one_label=False,
)
