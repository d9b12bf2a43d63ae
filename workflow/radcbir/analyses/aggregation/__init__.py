"""Which way to compare two series (studies, patients) finds the right ones?"""

from radcbir.analyses import Analysis, Project
from radcbir.cards.derived import is_adapted
from radcbir.core import layout


def _models(project: Project, experiment: str) -> list[str]:
    """The models whose images have vectors that are compared by cosine: an adapted model has
    vectors of units alone.
    """
    searched = project.searched_models(experiment)
    return [each for each in searched if not is_adapted(project.cards[each])]


def _inputs(project: Project, experiment: str) -> dict[str, list[str]]:
    return {"counts": [layout.UNIT_COUNTS.format(experiment=experiment)]}


def _without(project: Project, experiment: str) -> str:
    if project.experiments[experiment]["unit"] == "image":
        return "images are retrieved, not series, studies or patients"
    return "" if _models(project, experiment) else "no model has vectors of images"


ANALYSIS = Analysis(
    name="aggregation",
    title="Aggregation",
    question="Which way to compare two series, studies or patients finds the right ones?",
    section="Which encoder",
    tables=("aggregation",),
    reported={"aggregation": "ways to compare units (CSV)"},
    figures={"aggregation": "ways to compare units"},
    page="ways to compare units (tables)",
    models=_models,
    inputs=_inputs,
    without=_without,
    by_default=False,
)
