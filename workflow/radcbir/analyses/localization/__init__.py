"""Where in other patients' series is the place that a few slices show?"""

from collections.abc import Sequence
from typing import Any

from radcbir.analyses import Analysis, Project
from radcbir.cards.derived import is_adapted


def _models(project: Project, experiment: str) -> list[str]:
    """The models whose images have vectors that are compared by cosine."""
    searched = project.searched_models(experiment)
    return [each for each in searched if not is_adapted(project.cards[each])]


def _spaces(project: Project, datasets: Sequence[str]) -> dict[str, str]:
    """The space of each dataset's positions, empty where they are not comparable."""
    return {each: project.datasets[each].get("space", "") for each in datasets}


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    return {"within_mm": project.settings["localization"]["within_mm"]}


def _without(project: Project, experiment: str) -> str:
    spaces = _spaces(project, project.experiments[experiment]["datasets"])
    unknown = [each for each, space in spaces.items() if not space]
    if unknown:
        return (
            "positions of slices cannot be compared between patients: no `space:` is given for "
            f"{', '.join(unknown)}"
        )
    if len(set(spaces.values())) > 1:
        return f"the datasets are in different spaces ({', '.join(spaces.values())})"
    return "" if _models(project, experiment) else "no model has vectors of images"


ANALYSIS = Analysis(
    name="localization",
    title="Where in the volume",
    question="Where in other patients' series is the place that a few slices show?",
    section="Which encoder",
    tables=("localization",),
    reported={"localization": "where slabs of slices are found (CSV)"},
    figures={"localization": "where slabs of slices are found"},
    page="where slabs of slices are found (tables)",
    models=_models,
    settings=_settings,
    without=_without,
)
