"""The metrics of the comparison, one declaration each.

A declaration gives the value of each query, the value that random neighbors would reach, and how
the metric is shown. Tables, bounds, intervals and columns of pages follow from it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from radcbir.metrics.chance import RandomOrder
from radcbir.metrics.per_query import (
    RankedLists,
    average_precision,
    capped_precision,
    hit_rate,
    ndcg,
    plain_precision,
    r_precision,
    r_precision_truncated,
    reciprocal_rank,
)

PRECISION_AT = (1, 3, 5, 10)
HIT_RATE_AT = (1, 5, 10)


@dataclass(frozen=True)
class Column:
    """A column of the table of models."""

    heading: str
    help: str
    """What the figure means, in a few words."""
    average: str = "micro"
    """``micro``, the mean over queries, or ``macro``, the mean over classes."""
    place: int = 100
    """Columns come by rising place."""


@dataclass(frozen=True)
class Metric:
    """One metric of the comparison."""

    name: str
    """The column of the metric in tables of single queries."""
    value: Callable[[RankedLists], np.ndarray]
    """The value of each query ``(q,)`` float64; NaN where it has none."""
    chance: Callable[[RandomOrder], np.ndarray] | None = None
    """What random neighbors would reach ``(q,)``; None leaves the metric out of the bounds."""
    average_name: str = ""
    """The name of its average, where that has a name of its own."""
    k: int | None = None
    """The number of neighbors that count; None for all K."""
    columns: tuple[Column, ...] = ()
    """Its columns in the table of models."""
    by_group: bool = False
    """Whether it is in the tables by modality, region and label."""
    interval: bool = True
    """Whether its averages get an interval."""

    @property
    def averaged(self) -> str:
        """The name of the metric in tables of averages."""
        return self.average_name or self.name


def _precision(k: int) -> Metric:
    first = f"the first {k}, or as many as the class has"
    columns = {
        1: (
            Column("P@1", "share of queries whose nearest neighbor has the query's label", place=1),
            Column("macro P@1", "mean over classes of the class's P@1", "macro", place=5),
        ),
        5: (Column("P@5", f"mean share of right ones among {first}", place=2),),
        10: (
            Column("P@10", f"mean share of right ones among {first}", place=3),
            Column("macro P@10", "mean over classes of the class's P@10", "macro", place=6),
        ),
    }
    return Metric(
        f"precision_at_{k}",
        lambda lists: capped_precision(lists.relevance, lists.relevant, k),
        lambda order: order.precision(k),
        k=k,
        columns=columns.get(k, ()),
        by_group=k != 3,
        interval=k != 3,
    )


def _plain_precision(k: int) -> Metric:
    meaning = "mean share of right ones among the first 10, whatever the class has"
    return Metric(
        f"plain_precision_at_{k}",
        lambda lists: plain_precision(lists.relevance, lists.retrieved, lists.relevant, k),
        lambda order: order.plain_precision(k),
        k=k,
        columns=(Column("plain P@10", meaning, place=4),) if k == 10 else (),
        interval=k == 10,
    )


def _hit_rate(k: int) -> Metric:
    meaning = "share of queries with a right one among the first 10"
    return Metric(
        f"hit_rate_at_{k}",
        lambda lists: hit_rate(lists.relevance, lists.relevant, k),
        lambda order: order.hit_rate(k),
        k=k,
        columns=(Column("hit@10", meaning, place=11),) if k == 10 else (),
    )


METRICS: tuple[Metric, ...] = (
    *(_precision(k) for k in PRECISION_AT),
    *(_plain_precision(k) for k in PRECISION_AT),
    Metric(
        "r_precision",
        lambda lists: r_precision(lists.relevance, lists.relevant),
        lambda order: order.share,
        columns=(
            Column(
                "R-precision",
                "precision at R, the number of index images of the query's class (at most k)",
                place=7,
            ),
        ),
        by_group=True,
    ),
    Metric(
        "r_precision_truncated",
        lambda lists: r_precision_truncated(lists.relevance, lists.relevant),
        interval=False,
    ),
    Metric(
        "average_precision",
        lambda lists: average_precision(lists.relevance, lists.relevant),
        lambda order: order.average_precision(),
        average_name="mean_average_precision",
        columns=(Column("mAP", "mean average precision at k", place=8),),
        by_group=True,
    ),
    Metric(
        "ndcg",
        lambda lists: ndcg(lists.relevance, lists.relevant),
        lambda order: order.ndcg(),
        columns=(Column("nDCG", "normalised discounted cumulative gain at k", place=9),),
        by_group=True,
    ),
    Metric(
        "reciprocal_rank",
        lambda lists: reciprocal_rank(lists.relevance, lists.relevant),
        lambda order: order.reciprocal_rank(),
        average_name="mean_reciprocal_rank",
        columns=(Column("MRR", "mean of 1 / rank of the first right neighbor", place=10),),
        by_group=True,
    ),
    *(_hit_rate(k) for k in HIT_RATE_AT),
)
"""All metrics, in the order of the tables."""


def query_metrics(lists: RankedLists) -> dict[str, np.ndarray]:
    """Every metric of each query by name, ``(q,)`` float64."""
    return {metric.name: metric.value(lists) for metric in METRICS}


def chance_metrics(relevant: np.ndarray, index_images: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The expected metrics ``(q,)`` of random neighbors by name, from R and N ``(q,)``.

    NaN where R = 0: nothing can answer the query.
    """
    order = RandomOrder(np.asarray(relevant, float), np.asarray(index_images, float), k)
    values = {each.name: each.chance(order) for each in METRICS if each.chance is not None}
    return {name: np.where(order.relevant > 0, value, np.nan) for name, value in values.items()}


def averaged_name(name: str) -> str:
    """The name of a metric in tables of averages."""
    return next((each.averaged for each in METRICS if each.name == name), name)


def columns() -> list[tuple[Metric, Column]]:
    """The columns of the table of models, in their order."""
    found = [(metric, column) for metric in METRICS for column in metric.columns]
    return sorted(found, key=lambda each: each[1].place)
