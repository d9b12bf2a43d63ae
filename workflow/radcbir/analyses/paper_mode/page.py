"""The rows of the page of paper mode."""

import numpy as np
import pandas as pd

from radcbir.analyses.paper_mode.compute import QUIRKS


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
                "metric": row["metric"],
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
    return f"{value:.0f}" if value > 1 or value == 0 else f"{value:.4f}"


def _signed(value: float) -> str:
    if abs(value) <= 1e-12:
        return "0"
    return f"{value:+.0f}" if abs(value) >= 1 else f"{value:+.4f}"
