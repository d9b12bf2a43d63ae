"""Which archives the page may ask for what an experiment finds."""

from typing import Any

from radcbir.datasets.providers import dicomweb
from radcbir.project.configuration import Project


def archives(project: Project, experiment: str) -> list[tuple[str, dict[str, Any]]]:
    """The datasets of an experiment that come from an archive, each archive once, with the options
    of their `prepare:`; none where the page may not ask them.
    """
    settings = project.experiments[experiment]
    if not project.settings["app"]["archive"] or settings["unit"] == "patient":
        return []
    found: dict[tuple, tuple[str, dict[str, Any]]] = {}
    for name in settings["datasets"]:
        prepare = project.datasets[name].get("prepare", {})
        if prepare.get("from") == dicomweb.PROVIDER.name:
            options = dicomweb.with_defaults(prepare)
            key = tuple(options.get(each) for each in ("url", "credentials", "ca_bundle"))
            found.setdefault(key, (name, options))
    return list(found.values())
