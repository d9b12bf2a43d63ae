"""The figure of graded relevance."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.report.dots import dot
from radcbir.report.style import LINE, STYLE, TWO_COLUMNS, model_styles, size


def graded_relevance_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """NDCG at the deepest cut, by label sets and by label paths: a column per query split, a dot
    per model and gain.
    """
    splits = list(table["query_split"].unique())
    deepest = table["k"].max()
    styles = model_styles(names, controls)
    places = np.arange(len(names))[::-1]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(splits),
            figsize=size(TWO_COLUMNS, 18 + 1.4 * LINE * len(names)),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, split in zip(axes[0], splits, strict=True):
            here = table[(table["query_split"] == split) & (table["k"] == deepest)]
            sets, paths = (
                here[here["gain"] == gain].set_index("model")["value"]
                for gain in ("jaccard", "label_tree")
            )
            for place, model in zip(places, names, strict=True):
                style = dot(styles[model])
                ends = sets.get(model, np.nan), paths.get(model, np.nan)
                axis.plot(ends, [place] * 2, color=style["color"], linewidth=0.8, alpha=0.7)
                axis.plot(ends[0], place, **style)
                axis.plot(ends[1], place, **(style | {"markerfacecolor": "white"}))
            axis.set_yticks(places, list(names.values()))
            axis.set_ylim(-0.6, len(names) - 0.4)
            axis.set_xlim(-0.02, 1.02)
            axis.set_title(f"queries: {split}")
            axis.set_xlabel(f"nDCG@{deepest}\nfilled: label sets, hollow: label paths")
    return figure
