"""The figure of kNN classification against k."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.classifiers import CURVES, lower_end
from radcbir.report.style import STYLE, model_styles

K_TICKS = [mantissa * 10**power for power in range(7) for mantissa in (1, 2, 5)]


def knn_curves(
    curve: pd.DataFrame, chosen: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Metrics of kNN classification against k, equal votes, one row per query split; a ring marks
    the chosen k.

    ``curve`` and ``chosen`` are a comparison's tables; ``names`` maps each model to the name shown,
    in the order of the configuration.
    """
    here = curve[(curve["neighbors"] == "all") & (curve["votes"] == "equal")]
    rings = chosen[(chosen["neighbors"] == "all") & (chosen["votes"] == "equal")]
    splits, styles = list(here["query_split"].unique()), model_styles(list(names), controls)
    with plt.rc_context(STYLE):
        size = (14.5, 0.6 + 3.9 * len(splits))
        figure, axes = plt.subplots(
            len(splits), len(CURVES), figsize=size, squeeze=False, layout="constrained"
        )
        for row, split in enumerate(splits):
            for column, (metric, average, title) in enumerate(CURVES):
                axis = axes[row][column]
                for model, name in names.items():
                    line, ring = (
                        part[
                            (part["query_split"] == split)
                            & (part["metric"] == metric)
                            & (part["average"] == average)
                            & (part["model"] == model)
                        ]
                        for part in (here, rings)
                    )
                    style = styles[model] | {"marker": ""}
                    axis.plot(line["k"], line["value"], label=name, linewidth=1.8, **style)
                    axis.plot(
                        ring["k"],
                        ring["value"],
                        "o",
                        color="white",
                        mec=style["color"],
                        mew=1.8,
                        markersize=7,
                    )
                axis.set_title(f"{title}, queries: {split}", fontsize=10.5, loc="left")
                axis.set_xscale("log")
                axis.set_xticks([each for each in K_TICKS if each <= here["k"].max()])
                axis.xaxis.set_major_formatter("{x:.0f}")
                axis.minorticks_off()
                axis.set_ylim(bottom=lower_end(here, metric))
                if row == len(splits) - 1:
                    axis.set_xlabel("k (number of neighbors that vote)")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure
