"""One order of an experiment's models for all pages and figures: that of the front page."""

from collections.abc import Iterable

import pandas as pd

FIGURE = {"neighbors": "all", "metric": "precision_at_1", "average": "micro"}
"""What models are ordered by: how often the nearest neighbor is right."""


def of_figure(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of :data:`FIGURE` on a query split, by model.

    ``table`` is tidy: query_split, neighbors, metric, average, model.
    """
    here = table[table["query_split"] == split]
    for column, wanted in FIGURE.items():
        here = here[here[column] == wanted]
    return here.set_index("model")


def best_first(models: Iterable[str], table: pd.DataFrame, split: str) -> list[str]:
    """The models by P@1 over the queries that all of them answered, the best first. Equal ones, and
    those without a value, keep their order.

    ``table`` has ``common_value``: a comparison's ``summary.csv`` or the table of intervals.
    """
    shares = of_figure(table, split)["common_value"].astype(float).fillna(-1.0)
    return sorted(models, key=lambda model: -shares.get(model, -1.0))
