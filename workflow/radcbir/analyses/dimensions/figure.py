"""The figure of precision against bytes per vector."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.variant_panels import panels
from radcbir.report.dots import NO_ANSWER
from radcbir.report.style import COLORS, MARKERS

LINES = {
    ("cut", "float32"): "first dimensions",
    ("pca", "float32"): "PCA",
    ("pca", "int8"): "PCA, int8",
    ("pca_whitened", "float32"): "PCA, whitened",
}

POINTS = {
    ("centered", "float32"): "centered",
    ("none", "float16"): "float16",
    ("none", "int8"): "int8",
    ("none", "binary"): "binary",
}


def precision_against_bytes(
    table: pd.DataFrame, names: Mapping[str, str], split: str
) -> plt.Figure:
    """P@1 against bytes per vector, a panel per model: lines for reductions, points for ways to
    store all dimensions.

    ``table`` is a comparison's ``dimensions.csv``; ``names`` and ``split`` as for
    :func:`recall_against_speed`.
    """

    def draw(axis: plt.Axes, part: pd.DataFrame) -> None:
        by_kind = dict(list(part.groupby(["method", "storage"])))
        original = by_kind["none", "float32"]
        axis.axhline(
            original["precision_at_1"].iloc[0], color="#000000", linewidth=0.8, linestyle=":"
        )
        axis.plot(
            original["bytes_per_vector"],
            original["precision_at_1"],
            label="as embedded",
            color="#000000",
            marker="*",
            markersize=6,
            linestyle="",
        )
        for place, (kind, name) in enumerate(LINES.items()):
            curve = by_kind[kind].sort_values("dimension") if kind in by_kind else part.head(0)
            axis.plot(
                curve["bytes_per_vector"],
                curve["precision_at_1"],
                label=name,
                color=COLORS[place],
                marker=MARKERS[place],
                alpha=0.9,
            )
        for place, (kind, name) in enumerate(POINTS.items(), start=2):
            point = by_kind.get(kind, part.head(0))
            axis.plot(
                point["bytes_per_vector"],
                point["precision_at_1"],
                label=name,
                color=COLORS[place],
                linestyle="",
                marker=MARKERS[-place],
                markersize=4.5,
                markerfacecolor="#ffffff",
                markeredgewidth=0.9,
            )
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    shown = table[table["query_split"] == split]
    return panels(shown, names, draw, "bytes per vector", "P@1", "precision_at_1", NO_ANSWER)
