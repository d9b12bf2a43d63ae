"""The rows of the page of paper mode."""

import numpy as np
import pandas as pd

from radcbir.analyses.paper_mode.compute import QUIRKS
from radcbir.report.numbers import fixed, signed


def page_rows(table: pd.DataFrame) -> list[dict]:
    """Rows of the page from :func:`side_by_side`: texts, and the quirks that move the figure, the
    strongest first.
    """
    rows = []
    for row in table.to_dict("records"):
        effects = {name: row[name] for name in QUIRKS if not abs(row[name]) <= 1e-12}
        strongest = sorted(effects, key=lambda name: -abs(np.nan_to_num(effects[name], nan=np.inf)))
        causes = [
            (name, "" if np.isnan(effects[name]) else _signed(effects[name])) for name in strongest
        ]
        rows.append(
            {
                "metric": in_words(row["metric"]),
                "paper": _text(row["paper"]),
                "corrected": _text(row["corrected"]),
                "difference": "" if np.isnan(row["difference"]) else _signed(row["difference"]),
                "causes": causes,
            }
        )
    return rows


def _text(value: float) -> str:
    if np.isnan(value):
        return "none"
    return fixed(value, 0) if value > 1 or value == 0 else fixed(value, 4)


def _signed(value: float) -> str:
    if abs(value) <= 1e-12:
        return "0"
    return signed(value, 0) if abs(value) >= 1 else signed(value, 4)


WORDS = {
    "precision_std_at_": "standard deviation of P@",
    "precision_at_": "P@",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
}


def in_words(metric: str) -> str:
    """What a row of the table is called, such as ``P@1 (micro)`` for ``micro_precision_at_1``."""
    if metric.startswith("knn_"):
        return f"kNN classification: {in_words(metric.removeprefix('knn_'))}"
    average, _, name = metric.partition("_")
    if average not in ("micro", "macro"):
        return metric.replace("_", " ")
    for column, words in WORDS.items():
        name = name.replace(column, words)
    return f"{name.replace('_', ' ')} ({average})"
