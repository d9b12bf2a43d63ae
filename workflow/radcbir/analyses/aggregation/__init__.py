"""Which way to compare two series (studies, patients) finds the right ones?"""

from radcbir.analyses import Analysis, Project, models_of_images
from radcbir.core import layout


def _inputs(project: Project, experiment: str) -> dict[str, list[str]]:
    return {"counts": [layout.UNIT_COUNTS.format(experiment=experiment)]}


def _without(project: Project, experiment: str) -> str:
    if project.experiments[experiment]["unit"] == "image":
        return "images are retrieved, not series, studies or patients"
    return "" if models_of_images(project, experiment) else "no model has vectors of images"


ANALYSIS = Analysis(
    name="aggregation",
    title="Aggregation",
    question="Which way to compare two series, studies or patients finds the right ones?",
    section="Which encoder",
    tables=("aggregation",),
    reported={"aggregation": "ways to compare units (CSV)"},
    figures={"aggregation": "ways to compare units"},
    page="ways to compare units (tables)",
    models=models_of_images,
    inputs=_inputs,
    without=_without,
    by_default=False,
)
