"""What do vectors tell of the images, and of whom they are?"""

from typing import Any

from radcbir.analyses import Analysis, Project
from radcbir.core import layout


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    """With the query split that the figure shows: the first one that chooses nothing."""
    found = project.experiments[experiment]
    tested = [each for each in found["query_splits"] if each != found["val_split"]]
    return {"split": tested[0]}


def _examples(project: Project, experiment: str) -> dict[str, list[str]]:
    models = project.experiments[experiment]["models"]
    return {
        "examples": [layout.EXAMPLES.format(experiment=experiment, model=each) for each in models]
    }


def _without(project: Project, experiment: str) -> str:
    datasets = project.experiments[experiment]["datasets"]
    without = [each for each in datasets if "images" not in project.datasets[each]]
    if not without:
        return ""
    return f"The dataset '{without[0]}' has no `images:` that vectors could be compared with."


ANALYSIS = Analysis(
    name="privacy",
    title="Privacy",
    question="May these vectors leave the house?",
    section="Can I trust it",
    tables=("privacy", "reidentified"),
    figures={"privacy": "what vectors tell of the images, and of whom they are"},
    page="what vectors tell of images and patients (tables)",
    settings=_settings,
    inputs=_examples,
    without=_without,
    by_default=False,
    small=False,
)
