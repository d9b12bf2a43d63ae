"""Do neighbors follow the finding, or the site?"""

from typing import Any

from radcbir.analyses import Analysis, Project


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    settings = dict(project.settings["robustness_index"])
    return settings | {"k": min(settings["k"], project.experiments[experiment]["k"])}


ANALYSIS = Analysis(
    name="robustness_index",
    title="Robustness index",
    question="Do neighbors follow the finding, or the site, the scanner, the view or the sex?",
    section="Can I trust it",
    tables=("robustness_index", "sites"),
    figures={"robustness_index": "robustness index"},
    page="robustness index: finding against site (tables)",
    needs_vectors=False,
    settings=_settings,
)
