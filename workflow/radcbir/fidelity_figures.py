"""Figures of what cheaper search and storage cost: recall against speed, precision against bytes per vector."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.figures import COLORS, MARKERS, STYLE

COLUMNS = 4
INDEXES = {"ivf": "IVF", "hnsw": "HNSW", "sq8": "SQ8", "pq": "PQ", "ivf_pq": "IVF-PQ"}
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


def recall_against_speed(
    table: pd.DataFrame, timings: pd.DataFrame, names: Mapping[str, str], split: str
) -> plt.Figure:
    """Recall@10 against queries per second, a panel per model, a curve per type of index along its search parameter.

    ``table`` is a comparison's ``index-fidelity.csv``, ``timings`` its ``index-timings.csv``, ``names`` maps the models
    drawn to the names shown; ``split`` is the query split drawn.
    """
    merged = table[table["query_split"] == split].merge(timings, on=["model", "query_split", "variant"])

    def draw(axis: plt.Axes, part: pd.DataFrame) -> None:
        for place, (kind, name) in enumerate(INDEXES.items()):
            curve = part[part["type"] == kind].sort_values("value")
            axis.plot(
                curve["queries_per_second"], curve["recall_at_10"], label=name, color=COLORS[place],
                marker=MARKERS[place], markersize=4.5, linewidth=1.6, alpha=0.9,
            )  # fmt: skip
        exact = part[part["type"] == "flat"]
        axis.plot(
            exact["queries_per_second"], exact["recall_at_10"], label="exact", color="#000000", marker="*",
            markersize=11, linestyle="",
        )  # fmt: skip
        axis.set_xscale("log")

    return _panels(merged, names, draw, "queries per second, one thread", "recall@10", "recall_at_10")


def precision_against_bytes(table: pd.DataFrame, names: Mapping[str, str], split: str) -> plt.Figure:
    """P@1 against bytes per vector, a panel per model: lines for reductions, points for ways to store all dimensions.

    ``table`` is a comparison's ``dimensions.csv``; ``names`` and ``split`` as for :func:`recall_against_speed`.
    """

    def draw(axis: plt.Axes, part: pd.DataFrame) -> None:
        by_kind = dict(list(part.groupby(["method", "storage"])))
        original = by_kind["none", "float32"]
        axis.axhline(original["precision_at_1"].iloc[0], color="#000000", linewidth=1, linestyle=":")
        axis.plot(
            original["bytes_per_vector"], original["precision_at_1"], label="as embedded", color="#000000", marker="*",
            markersize=11, linestyle="",
        )  # fmt: skip
        for place, (kind, name) in enumerate(LINES.items()):
            curve = by_kind[kind].sort_values("dimension") if kind in by_kind else part.head(0)
            axis.plot(
                curve["bytes_per_vector"], curve["precision_at_1"], label=name, color=COLORS[place],
                marker=MARKERS[place], markersize=4.5, linewidth=1.6, alpha=0.9,
            )  # fmt: skip
        for place, (kind, name) in enumerate(POINTS.items(), start=2):
            point = by_kind.get(kind, part.head(0))
            axis.plot(
                point["bytes_per_vector"], point["precision_at_1"], label=name, color=COLORS[place], linestyle="",
                marker=MARKERS[-place], markersize=7, markerfacecolor="#ffffff", markeredgewidth=1.6,
            )  # fmt: skip
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    shown = table[table["query_split"] == split]
    return _panels(shown, names, draw, "bytes per vector", "P@1", "precision_at_1")


def _panels(
    table: pd.DataFrame,
    names: Mapping[str, str],
    draw: Callable[[plt.Axes, pd.DataFrame], None],
    x: str,
    y: str,
    drawn: str,
) -> plt.Figure:
    """A panel per model, axes shared and as high as the column ``drawn`` needs, the legend in a row below."""
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(max(6.5, 3.1 * columns), 1 + 2.7 * rows), sharex=True, sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for axis, (model, name) in zip(axes.flat, names.items(), strict=False):
            draw(axis, table[table["model"] == model])
            axis.set_title(name, fontsize=10.5, loc="left")
            axis.set_ylim(table[drawn].min() - 0.03, min(1.02, table[drawn].max() + 0.03))
        for axis in axes.flat[len(names) :]:
            axis.set_visible(False)
        for axis in axes[:, 0]:
            axis.set_ylabel(y)
        for axis in axes.flat[max(0, len(names) - columns) : len(names)]:
            axis.set_xlabel(x)
            axis.tick_params(labelbottom=True)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 2 * columns + 2))
    return figure
