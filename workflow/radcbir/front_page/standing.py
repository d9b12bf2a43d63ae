"""The models of an experiment in their order by P@1, with what may be concluded of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from radcbir.analyses.order import best_first, of_figure
from radcbir.cards.model_card import is_control

BEST, UNDECIDED, WORSE, UNKNOWN = "best", "undecided", "worse", ""
"""A model against the best one. Unknown without intervals, and with too few patients."""


@dataclass(frozen=True)
class Ranked:
    """A model in its place."""

    slug: str
    name: str
    control: bool
    share: float
    """P@1 over the queries that all models answered; NaN without any."""
    low: float
    high: float
    """The ends of its 95 % interval; NaN without one."""
    first: float
    """The share of resamples in which it ranks first; NaN without them."""
    ranks: tuple[int, int] | None
    """The best and the worst rank that the verdicts allow; None without verdicts."""
    against_best: str
    """One of :data:`BEST`, :data:`UNDECIDED`, :data:`WORSE`, :data:`UNKNOWN`."""
    lacking: int
    """Queries that other models answered and this one did not."""


@dataclass(frozen=True)
class Standing:
    """The models of an experiment, best first, on the queries of one split."""

    split: str
    models: list[Ranked]
    queries: int
    """Over how many queries the models are compared."""
    not_answerable: int
    """Queries whose label no index image has."""
    index_images: int
    classes: int
    chance: float
    """P@1 of random neighbors."""
    ceiling: float
    """P@1 of a perfect encoder."""
    patients: int
    """How many patients the queries come from; 0 without intervals."""
    effective: float
    """The effective number of patients; NaN without intervals."""
    unit: str
    """What counts as a patient (:func:`radcbir.metrics.intervals.patients_as_clusters`); empty
    without intervals.
    """
    retrieved: str = "image"
    """What is retrieved: the experiment's ``unit:``."""
    asked: bool = True
    """Whether any query has exactly one label."""

    @property
    def has_intervals(self) -> bool:
        """Whether the analysis ``uncertainty`` was made."""
        return self.unit != ""

    @property
    def leaders(self) -> list[Ranked]:
        """The model, or the equal ones, with the highest P@1."""
        return [each for each in self.models if each.share == self.models[0].share]


def standing(
    split: str,
    cards: Mapping[str, Mapping],
    summary: pd.DataFrame,
    bounds: pd.DataFrame,
    intervals: pd.DataFrame | None = None,
    differences: pd.DataFrame | None = None,
    ranks: pd.DataFrame | None = None,
    retrieved: str = "image",
) -> Standing:
    """The standing of the models of ``cards`` on a query split.

    The tables are a comparison's ``summary.csv`` and ``bounds.csv`` and the three of the analysis
    uncertainty (all or none); ``retrieved`` is the experiment's ``unit:``.
    """
    own = of_figure(summary, split)
    known = None if intervals is None else of_figure(intervals, split)
    firsts = None if ranks is None else of_figure(ranks, split)["first"]
    shares = own["common_value"].astype(float)
    order = best_first(cards, summary, split)
    best = {model for model in cards if shares[model] == shares[order[0]]}
    beaten_by = _beaten_by(differences, split)
    models = []
    for model in order:
        low, high = (
            float("nan") if known is None else float(known[end][model])
            for end in ("common_low", "common_high")
        )
        better, worse = len(beaten_by.get(model, ())), sum(model in of for of in beaten_by.values())
        models.append(
            Ranked(
                model,
                str(cards[model]["name"]),
                is_control(cards[model]),
                float(shares[model]),
                low,
                high,
                float("nan") if firsts is None else float(firsts[model]),
                (1 + better, len(cards) - worse) if beaten_by else None,
                _against(best, model, beaten_by),
                int(own["lacking_queries"][model]),
            )
        )
    floor = bounds[bounds["query_split"] == split]
    return Standing(
        split,
        models,
        int(own["common_queries"].iloc[0]),
        int(own["queries_without_relevant"].max()),
        int(own["index_images"].max()),
        int(own["classes"].max()),
        _bound(floor, "chance"),
        _bound(floor, "oracle"),
        0 if known is None else int(known["clusters"].iloc[0]),
        float("nan") if known is None else float(known["effective_clusters"].iloc[0]),
        "" if known is None else str(known["resampled"].iloc[0]),
        retrieved,
        bool((own["queries"] + own["queries_without_relevant"]).any()),
    )


def _bound(table: pd.DataFrame, name: str) -> float:
    found = of_figure(table, table["query_split"].iloc[0])["value"]
    return float(found[name])


def _beaten_by(differences: pd.DataFrame | None, split: str) -> dict[str, set[str]]:
    """Model -> the models that are better by their verdict; empty where there is no verdict."""
    if differences is None:
        return {}
    rows = of_figure(differences, split).reset_index()
    rows = rows[rows["verdict"].isin(["better", "worse", "undecided"])]
    found: dict[str, set[str]] = {
        str(model): set() for model in pd.concat([rows["model"], rows["other"]]).unique()
    }
    row: Any
    for row in rows.itertuples():
        if row.verdict == "better":
            found[row.other].add(row.model)
        elif row.verdict == "worse":
            found[row.model].add(row.other)
    return found


def _against(best: set[str], model: str, beaten_by: Mapping[str, set[str]]) -> str:
    if model in best:
        return BEST
    if not beaten_by:
        return UNKNOWN
    return WORSE if beaten_by[model] & best else UNDECIDED
