"""Configurations that share a folder of results: one name has one meaning there.

A run records beside the results which configuration file gave each dataset and each experiment its
meaning. The same file may change the meaning at any time: what depends on it is then made again.
Another file may use the name with the same meaning. With another meaning, the two would overwrite
each other's results by turns, and that is refused.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from radcbir.core import layout
from radcbir.core.errors import Mistakes
from radcbir.core.files import write_text
from radcbir.project.configuration import Project
from radcbir.project.datasets import shown

NO_MEANING = {
    "datasets": {"known_as", "max_rejected"},
    "experiments": {"models", "analyses", "paper_mode"},
}
"""Keys in which two configurations may differ: they choose among results, or how they are shown."""

FOLDERS = {"datasets": "results/datasets/{name}", "experiments": "results/experiments/{name}"}


def refuse_clash(project: Project, files: Sequence[str | Path]) -> None:
    """Raise :class:`InputError` with all datasets and experiments of which there are results that
    another configuration file, which is still there, made with another meaning.

    ``files`` are the configuration files of this run.
    """
    mistakes, own = Mistakes(), _named(files)
    recorded = _recorded()
    for kind, meanings in _meanings(project).items():
        for name, meaning in meanings.items():
            there = recorded.get(kind, {}).get(name)
            folder = FOLDERS[kind].format(name=name)
            if there is None or there["by"] == own or not Path(folder).is_dir():
                continue
            keys = {*meaning, *there["meaning"]}
            other = [key for key in sorted(keys) if meaning.get(key) != there["meaning"].get(key)]
            if other and there["by"] and all(Path(each).exists() for each in there["by"]):
                mistakes.add(
                    f"{', '.join(own)}: `{kind}: {name}` differs in `{'`, `'.join(other)}` from that "
                    f"of {', '.join(there['by'])}, whose results are in {folder}: rename one of "
                    f"them, remove {folder}, or keep the results apart with "
                    "`--directory another/folder`"
                )
    mistakes.refuse()


def record(project: Project, files: Sequence[str | Path]) -> None:
    """Record which configuration files gave the datasets and experiments of a run their meaning."""
    recorded, own = _recorded(), _named(files)
    for kind, meanings in _meanings(project).items():
        found = {name: {"by": own, "meaning": meaning} for name, meaning in meanings.items()}
        recorded[kind] = recorded.get(kind, {}) | found
    text = json.dumps(recorded, indent=1, sort_keys=True) + "\n"
    path = Path(layout.CONFIGURATIONS)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _meanings(project: Project) -> dict[str, dict[str, dict]]:
    """Per kind and name, what the configuration says, without :data:`NO_MEANING`."""
    found = {
        kind: {
            name: {key: each[key] for key in each if key not in NO_MEANING[kind]}
            for name, each in getattr(project, kind).items()
        }
        for kind in NO_MEANING
    }
    for name, dataset in found["datasets"].items():
        found["datasets"][name] = shown(dataset | project.originals[name])
    return json.loads(json.dumps(found))


def _named(files: Sequence[str | Path]) -> list[str]:
    """Configuration files, relative to the project's folder where they are inside."""
    paths = [Path.cwd() / each for each in files]
    here = Path.cwd()
    return [str(each.relative_to(here) if each.is_relative_to(here) else each) for each in paths]


def _recorded() -> dict:
    """What was recorded; nothing where it cannot be read, since it can be recorded again."""
    try:
        return json.loads(Path(layout.CONFIGURATIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
