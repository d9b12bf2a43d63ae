"""The list of all results on the front page, in the sections of the report."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from radcbir import analyses
from radcbir.analyses import SECTIONS, Analysis, Project
from radcbir.core import layout

KINDS = ("page", "figure", "table")
"""Kinds of results, in the order in which they are listed."""


def of_experiment(project: Project, experiment: str, folder: str) -> dict[str, Any]:
    """The results of an experiment's analyses, and the analyses that do not apply with the reason.

    Paths are relative to ``folder``, where the front page is.
    """
    known = analyses.registry()
    names = ("comparison", *project.experiments[experiment]["analyses"])
    reasons = {name: known[name].without(project, experiment) for name in names}
    chosen = [known[name] for name in names if not reasons[name]]
    sections = []
    for title in SECTIONS:
        of_section = [
            {
                "title": each.title,
                "question": each.question,
                "files": [_link(each, path, folder) for path in _shown(each, project, experiment)],
            }
            for each in chosen
            if each.section == title
        ]
        if of_section:
            sections.append({"title": title, "analyses": of_section})
    left_out = [
        {"title": known[name].title, "reason": reason} for name, reason in reasons.items() if reason
    ]
    return {"sections": sections, "left_out": left_out}


def data_files(project: Project, folder: str) -> list[dict[str, str]]:
    """The pages about data and about the run: what was rejected, what the audit found, provenance."""
    files = [
        (f"Checks before embedding: {name}", layout.AUDIT_PAGE.format(experiment=name))
        for name in project.experiments
    ]
    files += [
        (f"Preparation, step by step: {name}", layout.PREPARATION_PAGE.format(dataset=name))
        for name, dataset in project.datasets.items()
        if dataset.get("prepare")
    ]
    files += [
        (f"Ledger of rejected images: {name}", layout.LEDGER_PAGE.format(dataset=name))
        for name in project.datasets
    ]
    files.append(("What made the results: cards, weights, versions", layout.PROVENANCE_PAGE))
    return [{"title": title, "path": _relative(path, folder)} for title, path in files]


def _relative(path: str, folder: str) -> str:
    return PurePosixPath(path).relative_to(folder).as_posix()


def _shown(analysis: Analysis, project: Project, experiment: str) -> list[str]:
    """The results that can be opened: pages first, then figures, then tables."""
    files = [each for each in analysis.results(project, experiment) if _kind(analysis, each)]
    return sorted(files, key=lambda each: KINDS.index(_kind(analysis, each)))


def _kind(analysis: Analysis, path: str) -> str:
    """One of :data:`KINDS`; empty for what cannot be opened."""
    file = PurePosixPath(path)
    if file.name in map(layout.figure_page, analysis.figures):
        return "figure"
    return {".html": "page", ".csv": "table"}.get(file.suffix, "")


def _link(analysis: Analysis, path: str, folder: str) -> Mapping[str, str]:
    file, kind = PurePosixPath(path), _kind(analysis, path)
    figures = {layout.figure_page(figure): title for figure, title in analysis.figures.items()}
    title = figures.get(file.name, file.stem.replace("_", " "))
    return {
        "kind": kind,
        "title": "all models" if kind == "page" and file.stem == analysis.name else title,
        "path": _relative(path, folder),
    }
