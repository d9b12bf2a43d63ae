"""Panels of a figure, one for each model, that the analyses of cheaper search and storage share."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.style import STYLE

COLUMNS = 4


def panels(
    table: pd.DataFrame,
    names: Mapping[str, str],
    draw: Callable[[plt.Axes, pd.DataFrame], None],
    x: str,
    y: str,
    drawn: str,
) -> plt.Figure:
    """A panel per model, axes shared and as high as the column ``drawn`` needs, the legend in a row
    below.
    """
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=(max(6.5, 3.1 * columns), 1 + 2.7 * rows),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
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
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 2 * columns + 2)
        )
    return figure
