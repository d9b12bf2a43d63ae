"""What do noise, other windows and turned images change?"""

from typing import Any

from radcbir.analyses import Analysis, Project
from radcbir.cards.model_card import takes_original


def _encoding(project: Project, experiment: str) -> list[str]:
    """The models that read images as 8 bit, which is what is perturbed."""
    encoded = [each for each in project.encoded if not takes_original(project.cards[each])]
    return [each for each in project.experiments[experiment]["models"] if each in encoded]


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    listed, encoding = project.experiments[experiment]["models"], _encoding(project, experiment)
    left_out = [str(project.cards[each]["name"]) for each in listed if each not in encoding]
    return dict(project.settings["robustness"]) | {"left_out": left_out}


def _without(project: Project, experiment: str) -> str:
    return (
        "" if _encoding(project, experiment) else "no model of the experiment reads images as 8 bit"
    )


ANALYSIS = Analysis(
    name="robustness",
    title="Robustness",
    question="What do noise, other windows, turned images and the like change?",
    section="Can I trust it",
    tables=("robustness", "areas"),
    figures={
        "areas": "robustness: P@1 of perturbed queries",
        "severities": "robustness by severity",
    },
    page="robustness: perturbed queries (tables)",
    by_default=False,
    needs_vectors=False,
    models=_encoding,
    settings=_settings,
    without=_without,
)
