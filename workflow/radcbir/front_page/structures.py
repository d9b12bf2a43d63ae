"""What the front page says of structures: of queries that show several labels at once.

It is the mean over labels of the analysis region_recall at k = 1.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from radcbir.cards.model_card import is_control
from radcbir.front_page.words import Sentence, Strong, few, in_hundred, interval, joined


def structures_shown(table: pd.DataFrame, split: str, name: str, model: str) -> Sentence | None:
    """How often the first result of a model shows a label that its query shows: of a table
    ``region_recall.csv``. None where no index image shows one.
    """
    rows = _first_results(table, split)
    found = rows[rows["model"] == model].to_dict("records")
    if not found:
        return None
    return [
        f"Of the labels that a query shows, the first result of {name} shows ",
        *_share(found[0]),
    ]


def by_structures(
    table: pd.DataFrame, split: str, cards: Mapping[str, Mapping[str, Any]], one_label: int
) -> tuple[list[Sentence], list[Sentence], list[dict[Any, Any]]]:
    """Verdict, warnings, and the rows of ``region_recall.csv`` from the best model on, with the
    model's name: what stands in place of P@1 where few queries or none, ``one_label``, have exactly
    one label. All are empty where no index image shows a query's label.
    """
    rows = [
        {
            **each,
            "name": str(cards[each["model"]]["name"]),
            "control": is_control(cards[each["model"]]),
        }
        for each in _first_results(table, split).to_dict("records")
    ]
    if not rows:
        return [], [], []
    best = rows[0]
    leaders = [each["name"] for each in rows if each["value"] == best["value"]]
    rest = "of the labels that a query shows, its first result shows "
    first: list[str] = [Strong(best["name"]), f" is first: {rest}"]
    if len(rows) == 1:
        first = [Strong(best["name"]), f": {rest}"]
    elif len(leaders) > 1:
        first = [Strong(joined(leaders)), f" are first: {rest.replace('its', 'their')}"]
    elif best["control"]:
        first = ["A control is first: ", Strong(best["name"]), f" learned nothing; {rest}"]
    verdict: list[Sentence] = [
        [*first, *_share(best)],
        [_of_one_label(one_label)],
        ["Whether another model would be first with other patients was not tested."],
    ]
    warning = few(
        f"effectively {best['effective_patients']:.1f} patients", "", best["effective_patients"]
    )
    return verdict, [warning] if warning else [], rows


def _of_one_label(queries: int) -> str:
    if not queries:
        return "No query has exactly one label, so that there is no P@1."
    if queries == 1:
        return "One query has exactly one label: P@1, in the table of models, is of it alone."
    return f"{queries:,} queries have exactly one label: P@1, in the table of models, is of them alone."


def _first_results(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The means over labels at k = 1, the highest first."""
    here = (table["query_split"] == split) & (table["level"] == "fine") & (table["k"] == 1)
    rows = table[here & table["value"].notna()]
    return rows.sort_values("value", ascending=False, kind="stable")


def _share(row: Mapping[Any, Any]) -> list[str]:
    labels = f"{row['labels']:,} labels"
    return [
        Strong(f"{in_hundred(row['value'])} of 100"),
        f"{interval(row['low'], row['high'])}, by chance {in_hundred(row['chance'])}, as the mean "
        f"over {labels if row['labels'] > 1 else 'one label'}.",
    ]
