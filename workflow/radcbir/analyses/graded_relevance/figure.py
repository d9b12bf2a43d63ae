"""The figure of graded relevance."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.report.dots import dot
from radcbir.report.style import STYLE, model_styles


def graded_relevance_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """NDCG at the deepest cut, by label sets and by label paths: a column per query split, a dot
    per model and gain.
    """
    splits = list(table["query_split"].unique())
    deepest = table["k"].max()
    styles = model_styles(list(names), controls)
    places = np.arange(len(names))[::-1]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(splits),
            figsize=(3 + 4.5 * len(splits), 1.5 + 0.32 * len(names)),
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
                axis.plot(ends, [place] * 2, color=style["color"], linewidth=1.2, alpha=0.7)
                axis.plot(ends[0], place, markersize=8, **style)
                axis.plot(ends[1], place, markersize=8, **(style | {"markerfacecolor": "white"}))
            axis.set_yticks(places, list(names.values()))
            axis.set_ylim(-0.6, len(names) - 0.4)
            axis.set_xlim(-0.02, 1.02)
            axis.set_title(f"queries: {split}", fontsize=10.5, loc="left")
            axis.set_xlabel(
                f"nDCG@{deepest}: filled by label sets, hollow by label paths", fontsize=9
            )
    return figure
