"""The figure of recall against speed."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.variant_panels import panels
from radcbir.report.style import COLORS, MARKERS, log_axis_of_counts

INDEXES = {"ivf": "IVF", "hnsw": "HNSW", "sq8": "SQ8", "pq": "PQ", "ivf_pq": "IVF-PQ"}


def recall_against_speed(
    table: pd.DataFrame, timings: pd.DataFrame, names: Mapping[str, str], split: str
) -> plt.Figure:
    """Recall@10 against queries per second, a panel per model, a curve per type of index along its
    search parameter.

    ``table`` is a comparison's ``index_fidelity.csv``, ``timings`` its ``index_timings.csv``,
    ``names`` maps the models drawn to the names shown; ``split`` is the query split drawn.
    """
    merged = table[table["query_split"] == split].merge(
        timings, on=["model", "query_split", "variant"]
    )
    speeds = merged["queries_per_second"]
    spread = speeds.max() / speeds.min()
    marks = (1, 2, 5) if spread < 10 else (1, 3) if spread < 100 else (1,)

    def draw(axis: plt.Axes, part: pd.DataFrame) -> None:
        for place, (kind, name) in enumerate(INDEXES.items()):
            curve = part[part["type"] == kind].sort_values("value")
            axis.plot(
                curve["queries_per_second"],
                curve["recall_at_10"],
                label=name,
                color=COLORS[place],
                marker=MARKERS[place],
                alpha=0.9,
            )
        exact = part[part["type"] == "flat"]
        axis.plot(
            exact["queries_per_second"],
            exact["recall_at_10"],
            label="exact",
            color="#000000",
            marker="*",
            markersize=6,
            linestyle="",
        )
        log_axis_of_counts(axis, marks)

    return panels(
        merged,
        names,
        draw,
        "queries per second, one thread",
        "recall@10",
        "recall_at_10",
        "fewer than 10 index images",
    )
