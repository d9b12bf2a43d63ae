"""The figure of linear probing with few labels."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.classifiers import CURVES, lower_end
from radcbir.analyses.linear_probing.page import subset_sizes
from radcbir.report.dots import label_ends
from radcbir.report.style import STYLE, TWO_COLUMNS, model_styles, size


def label_fraction_curves(
    spread: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Accuracy and macro ROC-AUC against the share of training images (left) and images per label
    (right).

    ``spread`` is the table of :func:`spread_over_tries`: lines are means over tries, bands run from
    the lowest to the highest.
    """
    splits, styles = list(spread["query_split"].unique()), model_styles(names, controls)
    subsets = [each for each in ("fraction", "shots") if (spread["subset"] == each).any()]
    panels = [(split, *curve) for split in splits for curve in (CURVES[0], CURVES[2])]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(panels),
            len(subsets),
            figsize=size(TWO_COLUMNS, 8 + (8 + max(38.0, 3.2 * len(names))) * len(panels)),
            sharex="col",
            sharey="row",
            squeeze=False,
            layout="constrained",
        )
        for row, (split, metric, average, title) in enumerate(panels):
            for column, subset in enumerate(subsets):
                axis, ends = axes[row][column], {}
                here = spread[
                    (spread["query_split"] == split)
                    & (spread["subset"] == subset)
                    & (spread["metric"] == metric)
                    & (spread["average"] == average)
                ]
                across = "train_share" if subset == "fraction" else "amount"
                for model in names:
                    part = here[here["model"] == model].sort_values(across)
                    axis.plot(part[across], part["mean"], **styles[model])
                    ends[model] = float(part["mean"].iloc[-1]) if len(part) else float("nan")
                    color = styles[model]["color"]
                    axis.fill_between(
                        part[across],
                        part["lowest"],
                        part["highest"],
                        color=color,
                        alpha=0.12,
                        lw=0,
                    )
                axis.set_xscale("log")
                sizes = subset_sizes(here)
                axis.set_xticks(sizes[across], sizes["name"].str.removesuffix(" per label"))
                axis.minorticks_off()
                axis.set_ylim(bottom=lower_end(spread.assign(value=spread["lowest"]), metric))
                axis.set_title(f"{title}, queries: {split}")
                if row == len(panels) - 1:
                    axis.set_xlabel(
                        "share of the training images (whole patients)"
                        if subset == "fraction"
                        else "training images per label"
                    )
            label_ends(figure, axis, ends, names, styles)
    return figure
