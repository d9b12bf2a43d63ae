"""What the front page says of adapted and reranked models."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from radcbir.front_page.words import Sentence, Strong


def best_gain(
    gains: pd.DataFrame,
    left_out: pd.DataFrame | None,
    cards: Mapping[str, Mapping[str, Any]],
    split: str,
) -> Sentence:
    """How much the best of them gains over the model that it is made from, by P@1, and what is left of
    that for labels that were not in its fit.

    ``gains`` and ``left_out`` are the tables of the analysis of that name. A gain counts where the
    verdict is better.
    """
    here = _rows(gains, split)
    better = here[here["verdict"] == "better"]
    if better.empty:
        few = (here["verdict"] == "too few patients").all()
        why = " (there are too few patients to tell)" if few else ""
        return [
            "No adapted or reranked model is ",
            Strong("known to be better"),
            f" than the model that it is made from{why}.",
        ]
    best = better.sort_values("difference", kind="stable").iloc[-1]
    new: list[str] = []
    if left_out is not None:
        rows = _rows(left_out[left_out["left_out"] == "label"], split)
        for row in rows[rows["model"] == best["model"]].to_dict("records"):
            new = [f"; for labels that were not in its fit, {_amount(row['difference'])}"]
    return [
        f"{cards[best['model']]['name']} is right for ",
        Strong(_amount(best["difference"])),
        f" than {cards[best['base']]['name']}, which it is made from",
        *new,
        ".",
    ]


def _rows(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of P@1 over all neighbors: the figure that the front page is about."""
    of_figure = (table["metric"] == "precision_at_1") & (table["neighbors"] == "all")
    return table[of_figure & (table["query_split"] == split)]


def _amount(difference: float) -> str:
    """A difference of shares in words: so many of 100 queries more or fewer."""
    number = round(100 * abs(difference))
    amount = "fewer than 1" if number == 0 and difference else str(number)
    return f"{amount} of 100 queries {'fewer' if difference < 0 else 'more'}"
