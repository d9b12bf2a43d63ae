"""The figure of kNN classification against k."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.classifiers import CURVES, lower_end
from radcbir.report.dots import label_ends
from radcbir.report.style import STYLE, TWO_COLUMNS, model_styles, size

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
    splits, styles = list(here["query_split"].unique()), model_styles(names, controls)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(CURVES),
            figsize=size(TWO_COLUMNS, 8 + (8 + max(38.0, 3.2 * len(names))) * len(splits)),
            squeeze=False,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, (metric, average, title) in zip(axes[row], CURVES, strict=True):
                ends = {}
                for model in names:
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
                    axis.plot(line["k"], line["value"], **style)
                    last = line.sort_values("k")["value"]
                    ends[model] = float(last.iloc[-1]) if len(last) else float("nan")
                    axis.plot(
                        ring["k"],
                        ring["value"],
                        "o",
                        color="white",
                        mec=style["color"],
                    )
                axis.set_title(f"{title}\nqueries: {split}")
                axis.set_xscale("log")
                axis.set_xticks([each for each in K_TICKS if each <= here["k"].max()])
                axis.margins(x=0.02)
                axis.xaxis.set_major_formatter("{x:.0f}")
                axis.minorticks_off()
                axis.set_ylim(bottom=lower_end(here, metric))
                if row == len(splits) - 1:
                    axis.set_xlabel("k (neighbors that vote)")
            label_ends(figure, axis, ends, names, styles)
    return figure
