"""Where in other patients' series is the place that a few slices show?"""

from typing import Any

from radcbir.analyses import Analysis, Project, models_of_images


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    asked = project.settings["localization"]
    return {"within_mm": asked["within_mm"], "boxes": list(asked.get("boxes", []))}


def _without(project: Project, experiment: str) -> str:
    datasets = project.experiments[experiment]["datasets"]
    spaces = {each: project.datasets[each].get("space", "") for each in datasets}
    unknown = [each for each, space in spaces.items() if not space]
    if unknown:
        return (
            "positions of slices cannot be compared between patients: no `space:` is given for "
            f"{', '.join(unknown)}"
        )
    if len(set(spaces.values())) > 1:
        return f"the datasets are in different spaces ({', '.join(spaces.values())})"
    return "" if models_of_images(project, experiment) else "no model has vectors of images"


ANALYSIS = Analysis(
    name="localization",
    title="Where in the volume",
    question="Where in other patients' series is the place that a few slices show?",
    section="Which encoder",
    tables=("localization",),
    reported={"localization": "where slabs of slices are found (CSV)"},
    figures={"localization": "where slabs of slices are found"},
    page="where slabs of slices are found (tables)",
    models=models_of_images,
    settings=_settings,
    without=_without,
    one_label=False,
)
