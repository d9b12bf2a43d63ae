"""The figure of retrieval across datasets."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.report.style import INK, SMALL_TEXT, STYLE, TWO_COLUMNS, size


def cross_dataset_figure(matrix: pd.DataFrame, names: Mapping[str, str]) -> plt.Figure:
    """P@1 per model as a matrix, queries of one dataset (rows) in the index of another (columns);
    the first query split.
    """
    here = matrix[matrix["query_split"] == matrix["query_split"].iloc[0]]
    datasets = sorted(set(here["query_dataset"]) | set(here["index_dataset"]))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    side = min(TWO_COLUMNS / columns - 20, 12.0 * len(datasets))
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=size(TWO_COLUMNS, 6 + rows * (side + 18)),
            squeeze=False,
            layout="constrained",
        )
        for axis in axes.ravel()[len(names) :]:
            axis.set_visible(False)
        for axis, (model, name) in zip(axes.ravel(), names.items(), strict=False):
            of_model = here[here["model"] == model]
            values = of_model.pivot_table(
                index="query_dataset",
                columns="index_dataset",
                values="precision_at_1",
                dropna=False,
            )
            values = values.reindex(index=datasets, columns=datasets).to_numpy(float)
            axis.imshow(values, vmin=0, vmax=1, cmap="Blues")
            for (row, column), value in np.ndenumerate(values):
                ink = "white" if value > 0.6 else INK
                axis.text(
                    column,
                    row,
                    "–" if np.isnan(value) else f"{value:.2f}",
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize=SMALL_TEXT,
                )
            axis.set_xticks(range(len(datasets)), datasets, rotation=20, ha="right")
            axis.set_yticks(range(len(datasets)), datasets)
            axis.set_title(name)
        for axis in axes[:, 0]:
            axis.set_ylabel("queries of")
        figure.supxlabel(f"index of, P@1, queries: {matrix['query_split'].iloc[0]}")
    return figure
