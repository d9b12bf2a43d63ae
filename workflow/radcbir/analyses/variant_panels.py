"""Panels of a figure, one for each model, that the analyses of cheaper search and storage share."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.dots import legend_below, sentence
from radcbir.report.style import STYLE, TWO_COLUMNS, size

COLUMNS = 4


def panels(
    table: pd.DataFrame,
    names: Mapping[str, str],
    draw: Callable[[plt.Axes, pd.DataFrame], None],
    x: str,
    y: str,
    drawn: str,
    nothing: str,
) -> plt.Figure:
    """A panel per model, axes shared and as high as the column ``drawn`` needs, the legend in a row
    below.

    A model without a value gets a sentence in place of its panel.
    """
    table = table.assign(**{drawn: pd.to_numeric(table[drawn])})
    lowest, highest = table[drawn].min(), table[drawn].max()
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=size(TWO_COLUMNS, 18 + 42 * rows),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, (model, name) in zip(axes.flat, names.items(), strict=False):
            part = table[table["model"] == model]
            axis.set_title(name)
            if part[drawn].isna().all():
                sentence(axis, nothing)
                continue
            draw(axis, part)
            axis.set_ylim(lowest - 0.03, min(1.02, highest + 0.03))
        for axis in axes.flat[len(names) :]:
            axis.set_visible(False)
        for axis in axes[:, 0]:
            axis.set_ylabel(y)
        for axis in axes.flat[max(0, len(names) - columns) : len(names)]:
            axis.set_xlabel(x)
            axis.tick_params(labelbottom=True)
        legends = dict(
            pair
            for axis in axes.flat
            for pair in zip(*axis.get_legend_handles_labels()[::-1], strict=True)
        )
        legend_below(figure, list(legends.values()), list(legends))
    return figure
