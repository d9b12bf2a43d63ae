"""The retrieval metrics of all models side by side: part of every experiment."""

from radcbir.analyses import Analysis, Project
from radcbir.core import layout

FILES = ("summary.csv", "bounds.csv", "models.html", "precision_at_k.svg", "labels.html")


def _files(project: Project, experiment: str) -> list[str]:
    return [layout.comparison(each).format(experiment=experiment) for each in FILES]


ANALYSIS = Analysis(
    name="comparison",
    title="Retrieval metrics",
    question="Which encoder finds images with the same label most often?",
    section="Which encoder",
    own_rules=True,
    files=_files,
    needs_vectors=False,
)
