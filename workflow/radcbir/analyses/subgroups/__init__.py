"""For whom does a model work?"""

from typing import Any

from radcbir.analyses import Analysis, Project


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    return dict(project.settings["subgroups"])


ANALYSIS = Analysis(
    name="subgroups",
    title="Subgroups",
    question="For whom does a model work, and for whom less well?",
    section="Can I trust it",
    tables=("subgroups", "gaps"),
    figures={"subgroups": "for whom it works"},
    page="subgroups: sex, age, view, source, scanner (tables)",
    needs_vectors=False,
    settings=_settings,
)
