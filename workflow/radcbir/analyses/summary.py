"""What the generated summary of an analysis gives: tables of all models, figures and a page."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.cards.model_card import ModelNames, names_and_controls
from radcbir.core.tables import write_csv
from radcbir.report.figure_page import caption, write_figure_page
from radcbir.report.render import render
from radcbir.report.style import save

CAPTIONS = Path(__file__).parent
"""The folders of the analyses, which hold a caption per figure."""


@dataclass(frozen=True)
class Given:
    """What a summary is made from."""

    experiment: str
    cards: Mapping[str, Mapping[str, Any]]
    """The model cards of the models that take part, in the order of the configuration."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """The tables of all models by name, a column ``model`` in front."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Paths of the further inputs by name."""
    order: Sequence[str] = ()
    """The models in the order in which they are shown; by default that of ``cards``."""

    @property
    def shown(self) -> dict[str, Mapping[str, Any]]:
        """The model cards in the order in which models are shown."""
        return {model: self.cards[model] for model in self.order or self.cards}

    @property
    def names(self) -> ModelNames:
        """Slug -> name of the models, in the order in which they are shown."""
        return names_and_controls(self.cards, self.order)[0]

    @property
    def controls(self) -> list[str]:
        """The models that are controls."""
        return names_and_controls(self.cards)[1]


@dataclass(frozen=True)
class Summary:
    """Tables and figures by the names of the declaration, and what the page's template needs."""

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, plt.Figure] = field(default_factory=dict)
    page: Mapping[str, Any] = field(default_factory=dict)
    """``title`` and the rest of the template's context; empty where there is no page."""


def summarise(analysis: str, given: Given) -> Summary:
    """The summary of an analysis, by ``summarise(given)`` of its module ``summary``."""
    return importlib.import_module(f"radcbir.analyses.{analysis}.summary").summarise(given)


def write(
    summary: Summary, template: str, snakemake: Any, analysis: str, shown: Sequence[str]
) -> None:
    """Write a summary to the outputs of a rule: a path per table, ``{figure}_svg``,
    ``{figure}_pdf``, ``{figure}_page``, ``page``.

    Captions are those of ``analysis``, and ``params.figures`` has the titles of its figures.
    ``shown`` are the paths of the tables that the figures show.
    """
    files, titles = dict(snakemake.output.items()), snakemake.params.figures
    for name, table in summary.tables.items():
        write_csv(table, files[name])
    for name, figure in summary.figures.items():
        save(figure, files[f"{name}_svg"], files[f"{name}_pdf"])
        source = (CAPTIONS / analysis / f"{name}.rst").read_text(encoding="utf-8")
        title = f"{titles[name]} ({snakemake.wildcards.experiment})"
        title = title[0].upper() + title[1:]
        words = caption(source, snakemake)
        write_figure_page(files[f"{name}_page"], title, words, files[f"{name}_svg"], shown)
    if summary.page:
        render(template, files["page"], **summary.page)
