"""Figures of the retrieval metrics: curves of P@k, and P@1 by group."""

from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.report.style import STYLE, model_styles


def precision_curves(
    precision: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@k against k for all models, micro and macro side by side, one row per query split.

    ``precision`` is a comparison's ``precision.csv``; ``names`` maps each model to the name shown,
    in the order of the configuration. The paper's definition (denominator at most the number of
    index images of the query's class) is drawn, without exclusion of same-patient neighbors.
    """
    shown = precision[(precision["definition"] == "capped") & (precision["neighbors"] == "all")]
    splits = list(shown["query_split"].unique())
    styles = model_styles(list(names), controls)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            2,
            figsize=(11.5, 0.6 + 3.9 * len(splits)),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for column, average in enumerate(("micro", "macro")):
                axis = axes[row][column]
                for model, name in names.items():
                    curve = shown[
                        (shown["query_split"] == split)
                        & (shown["average"] == average)
                        & (shown["model"] == model)
                    ]
                    curve = curve.sort_values("k")
                    axis.plot(
                        curve["k"],
                        curve["value"],
                        label=name,
                        linewidth=1.8,
                        markersize=4.5,
                        markevery=_marked(curve["k"].to_numpy()),
                        **styles[model],
                    )
                over = "mean over queries" if average == "micro" else "mean over classes"
                axis.set_title(f"{average} ({over}), queries: {split}", fontsize=10.5, loc="left")
                axis.set_xscale("log")
                axis.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%d"))
                axis.set_ylim(0, 1)
                if row == len(splits) - 1:
                    axis.set_xlabel("k (number of neighbors)")
            axes[row][0].set_ylabel("P@k")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def precision_by_group(
    by_group: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 by modality (above) and by region (below), a column per query split: a line per group, a
    dot per model.

    ``by_group`` is a comparison's ``by_group.csv``, ``names`` as for :func:`precision_curves`.
    Groups that no query could answer are left out.
    """
    here = by_group[(by_group["neighbors"] == "all") & (by_group["queries"] > 0)]
    splits, levels = list(by_group["query_split"].unique()), ["modality", "region"]
    groups = {
        level: sorted(here.loc[here["level"] == level, "group"].unique(), reverse=True)
        for level in levels
    }
    styles = model_styles(list(names), controls)
    with plt.rc_context(STYLE):
        heights = [max(1, len(groups[level])) for level in levels]
        figure, axes = plt.subplots(
            2,
            len(splits),
            figsize=(3 + 6.5 * len(splits), 1.6 + 0.36 * sum(heights)),
            sharex=True,
            squeeze=False,
            layout="constrained",
            gridspec_kw={"height_ratios": [height + 1 for height in heights]},
        )
        for column, split in enumerate(splits):
            for axis, level in zip(axes[:, column], levels, strict=True):
                part = here[(here["level"] == level) & (here["query_split"] == split)]
                queries = (
                    part.drop_duplicates("group")
                    .set_index("group")["queries"]
                    .reindex(groups[level], fill_value=0)
                )
                for model, name in names.items():
                    values = (
                        part[part["model"] == model]
                        .set_index("group")["precision_at_1"]
                        .reindex(groups[level])
                    )
                    style = styles[model] | {
                        "linestyle": "",
                        "marker": styles[model]["marker"] or "|",
                    }
                    axis.plot(
                        values.to_numpy(),
                        np.arange(len(values)),
                        label=name,
                        markersize=8,
                        alpha=0.85,
                        **style,
                    )
                axis.set_yticks(
                    range(len(groups[level])), [f"{name}  (n={n:,})" for name, n in queries.items()]
                )
                axis.set_ylim(-0.7, len(groups[level]) - 0.3)
                axis.set_xlim(-0.02, 1.02)
                axis.set_title(f"by {level}, queries: {split}", fontsize=10.5, loc="left")
            axes[-1][column].set_xlabel("P@1")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def _marked(ks: np.ndarray) -> list[int]:
    """Where a curve carries its marker: near k = 1, 2, 5, 10, 20, 50, ... so that they do not crowd
    at the right.
    """
    wanted = [mantissa * 10**power for power in range(7) for mantissa in (1, 2, 5)]
    return [int(np.flatnonzero(ks == k)[0]) for k in wanted if (ks == k).any()]
