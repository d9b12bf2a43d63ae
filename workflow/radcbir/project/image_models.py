"""Which model's vectors of images those of a series, a study or a patient are made from."""

from radcbir.project.configuration import Project


def image_model(project: Project, model: str) -> str:
    """The model whose vectors of images those of a model's units are made from: itself, but for an
    adapted one, whose map is for units.
    """
    return (project.base(model) if model in project.adapted else None) or model


def with_slices(project: Project, models: list[str]) -> dict[str, str]:
    """Those of ``models`` whose units are made from slices -> their :func:`image_model`; the others
    take whole volumes.
    """
    found = {model: image_model(project, model) for model in models}
    return {model: own for model, own in found.items() if own not in project.volumetric}
