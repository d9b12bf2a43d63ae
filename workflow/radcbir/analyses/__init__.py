"""One folder for each analysis: what it computes, its figures, its page, its captions.

The folder's ``__init__.py`` declares the analysis as ``ANALYSIS``. Targets, the configuration's
schema, the report and the documentation follow from these declarations. The analysis
``comparison`` (the retrieval metrics) is part of every experiment; the others are named under
``analyses:`` in the configuration.

A declaration is read whenever Snakemake starts, so nothing heavy is imported in ``__init__.py``.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from radcbir.cards.derived import is_adapted
from radcbir.cards.loaders import loader_of
from radcbir.core import layout

SECTIONS = (
    "Which encoder",
    "Errors",
    "Can I trust it",
    "Cost",
    "Data and files",
)
"""The sections of the report, in their order."""


def numbered(section: str) -> str:
    """A section as Snakemake's report calls it, which sorts by name."""
    return f"{SECTIONS.index(section) + 1} {section}"


class Project(Protocol):
    """What a declaration may use of the checked configuration."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The configuration, defaults filled in."""

    @property
    def datasets(self) -> Mapping[str, Mapping[str, Any]]:
        """Datasets by name."""

    @property
    def experiments(self) -> Mapping[str, Mapping[str, Any]]:
        """Experiments by name."""

    @property
    def cards(self) -> Mapping[str, Mapping[str, Any]]:
        """Model cards by slug."""

    @property
    def encoded(self) -> list[str]:
        """The models that embed images here."""

    def searched_models(self, experiment: str) -> list[str]:
        """The models of an experiment whose neighbors come from a search of their own embeddings."""

    def models_with_vectors(self, experiment: str) -> list[str]:
        """The models of an experiment that are not another one's neighbors in another order."""

    def known_as(self, dataset: str) -> list[str]:
        """The names that others know a dataset by."""


def _all_models(project: Project, experiment: str) -> list[str]:
    return list(project.experiments[experiment]["models"])


def vector_models(project: Project, experiment: str) -> list[str]:
    """The models that take part where vectors are looked at: a reranked one has none of its own."""
    return project.models_with_vectors(experiment)


def models_of_images(project: Project, experiment: str) -> list[str]:
    """The models whose images have vectors that are compared by cosine. Adapted models are left
    out: their vectors are made per experiment, of what it retrieves. So are encoders of volumes.
    """
    return [
        each
        for each in project.searched_models(experiment)
        if not (is_adapted(project.cards[each]) or loader_of(project.cards[each]).volumes)
    ]


def _no_settings(project: Project, experiment: str) -> dict[str, Any]:
    return {}


def _always(project: Project, experiment: str) -> str:
    return ""


@dataclass(frozen=True)
class Analysis:
    """What the workflow has to know of an analysis before anything is computed."""

    name: str
    """The name in the configuration, of the folder, and of the folder of its results."""
    title: str
    question: str
    """The question that it answers, in one sentence."""
    section: str
    """One of :data:`SECTIONS`."""
    tables: Sequence[str] = ()
    """Tables of each model, without suffix, which the rule ``{name}_summary`` stacks."""
    summaries: Sequence[str] = ()
    """Further tables of all models that the rule ``{name}_summary`` makes."""
    reported: Mapping[str, str] = field(default_factory=dict)
    """Of these tables, those that the report lists -> what they are called there."""
    figures: Mapping[str, str] = field(default_factory=dict)
    """Figures, without suffix -> what they are called in the report. Each is written as SVG, as PDF,
    and as a page with its caption (:func:`radcbir.core.layout.figure_page`)."""
    page: str = ""
    """What the page ``{name}.html`` is called in the report; empty where there is none."""
    own_rules: bool = False
    """The analysis has rules of its own for all that it makes, and no generated summary."""
    files: Callable[[Project, str], Sequence[str]] | None = None
    """Patterns of its results, where they are not ``{name}/{table, figure or page}``."""
    needs_vectors: bool = True
    """False where neighbor lists are enough, so that models without embeddings take part."""
    one_label: bool = True
    """Whether it measures only images with exactly one label; False where it works without any."""
    models: Callable[[Project, str], list[str]] = _all_models
    """The models of an experiment that take part."""
    settings: Callable[[Project, str], dict[str, Any]] = _no_settings
    """What the summary needs of the configuration: a change reruns the summary."""
    inputs: Callable[[Project, str], dict[str, list[str]]] = _no_settings
    """Further files that the summary reads, by name."""
    without: Callable[[Project, str], str] = _always
    """Why the analysis does not apply to an experiment, in one sentence; empty where it does."""
    by_default: bool = True
    """Whether a configuration without ``analyses:`` computes it."""
    small: bool = True
    """Whether the summary takes seconds from small tables: on a cluster, it is no job of its own."""
    template: str = "report/templates/tables.html.j2"
    """The template of the page, below the library's folder."""

    def results(self, project: Project, experiment: str) -> list[str]:
        """The files that stand for the analysis of an experiment."""
        if self.without(project, experiment):
            return []
        if self.files is not None:
            return list(self.files(project, experiment))
        names = [f"{each}.csv" for each in (*self.tables, *self.summaries)]
        names += [layout.figure_page(each) for each in self.figures]
        names += [f"{self.name}.html"] if self.page else []
        patterns = [layout.of_experiment(self.name, each) for each in names]
        return [each.format(experiment=experiment) for each in patterns]


@functools.cache
def registry() -> dict[str, Analysis]:
    """All analyses by name, in the order of the report's sections, then by name."""
    found = [
        importlib.import_module(f"{__name__}.{each.name}").ANALYSIS
        for each in pkgutil.iter_modules(__path__)
        if each.ispkg
    ]
    ordered = sorted(found, key=lambda each: (SECTIONS.index(each.section), each.name))
    return {each.name: each for each in ordered}


def optional() -> dict[str, Analysis]:
    """The analyses that an experiment may leave out: those that ``analyses:`` can name."""
    return {name: each for name, each in registry().items() if name != "comparison"}


def by_default() -> list[str]:
    """The analyses of a configuration that names none."""
    return [name for name, each in optional().items() if each.by_default]


def by_need_of_one_label(project: Project, experiment: str) -> tuple[list[str], list[str]]:
    """The analyses of an experiment that measure only images with exactly one label, and the others.
    With ``labels: single`` there is no need to tell them apart, and both are empty.
    """
    settings = project.experiments[experiment]
    if settings["labels"] == "single":
        return [], []
    named = [registry()[each] for each in settings["analyses"]]
    named = [each for each in named if not each.without(project, experiment)]
    return (
        [each.name for each in named if each.one_label],
        [each.name for each in named if not each.one_label],
    )


def summarised() -> list[Analysis]:
    """The analyses whose tables are stacked and shown by a generated rule."""
    return [each for each in registry().values() if not each.own_rules]
