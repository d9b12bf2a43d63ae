"""Figures of the retrieval metrics: curves of P@k, and P@1 by group."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.report.dots import (
    FEWEST_SHOWN_FULLY,
    NO_ONE_LABEL,
    in_lanes,
    label_ends,
    legend_below,
    legend_height,
    name_rows,
    rows_height,
    sentence_alone,
    with_lacking,
)
from radcbir.report.style import STYLE, TWO_COLUMNS, log_axis_of_counts, model_styles, size

APART = 1.035
"""By what factor the intervals of two models stand apart on the axis of k."""


def precision_curves(
    precision: pd.DataFrame,
    names: Mapping[str, str],
    controls: Sequence[str],
    intervals: pd.DataFrame | None = None,
) -> plt.Figure:
    """P@k against k for all models, micro and macro side by side, one row per query split.

    ``precision`` is a comparison's ``precision.csv``; ``names`` maps each model to the name shown,
    in the order of the configuration. The paper's definition (denominator at most the number of
    index images of the query's class) is drawn, without exclusion of same-patient neighbors.
    Without a query it is a sentence alone. ``intervals`` has model, query_split, average, k, low
    and high (:func:`~radcbir.analyses.comparison.curve_intervals.curve_intervals`). A model that answered
    fewer queries than another one says so beside its name.
    """
    shown = precision[(precision["definition"] == "capped") & (precision["neighbors"] == "all")]
    if not shown["queries"].any():
        return sentence_alone(NO_ONE_LABEL)
    splits = list(shown["query_split"].unique())
    styles = model_styles(names, controls)
    panel = max(42.0, 3.2 * len(names))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            2,
            figsize=size(TWO_COLUMNS, 8 + (panel + 8) * len(splits)),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, average in zip(axes[row], ("micro", "macro"), strict=True):
                curves = shown[(shown["query_split"] == split) & (shown["average"] == average)]
                ends = {}
                for place, model in enumerate(names):
                    curve = curves[curves["model"] == model].sort_values("k")
                    axis.plot(
                        curve["k"],
                        curve["value"],
                        markevery=_marked(curve["k"].to_numpy()),
                        **styles[model],
                    )
                    ends[model] = float(curve["value"].iloc[-1]) if len(curve) else np.nan
                    if intervals is not None:
                        here = intervals[
                            (intervals["query_split"] == split)
                            & (intervals["average"] == average)
                            & (intervals["model"] == model)
                        ]
                        shift = APART ** (place - (len(names) - 1) / 2)
                        axis.vlines(
                            here["k"] * shift, here["low"], here["high"], linewidth=0.6, alpha=0.6,
                            color=styles[model]["color"],
                        )  # fmt: skip
                over = "mean over queries" if average == "micro" else "mean over classes"
                axis.set_title(f"{average} ({over}), queries: {split}")
                log_axis_of_counts(axis, (1, 2, 5))
                axis.set_ylim(0, 1)
                if row == len(splits) - 1:
                    axis.set_xlabel("k (number of neighbors)")
            axes[row][0].set_ylabel("P@k")
            axes[row][0].set_xlim(0.8, 1.02 * max(shown["k"].max(), 1.2))
            queries = curves.groupby("model")["queries"].max()
            label_ends(figure, axes[row][1], ends, with_lacking(names, queries), styles)
    return figure


def precision_by_group(
    by_group: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 by modality (above) and by region (below), a column per query split: a row per group, in
    it a lane per model with the 95 % interval.

    ``by_group`` is a comparison's ``by_group.csv``, over the queries that all models answered
    (:func:`~radcbir.analyses.comparison.common_queries.compared`), ``names`` as for
    :func:`precision_curves`.
    Groups that no query could answer are left out, those of fewer than
    :data:`~radcbir.report.dots.FEWEST_SHOWN_FULLY` queries are faded.
    """
    if by_group.empty:
        return sentence_alone(NO_ONE_LABEL)
    here = by_group[(by_group["neighbors"] == "all") & (by_group["queries"] > 0)]
    splits, levels = list(by_group["query_split"].unique()), ["modality", "region"]
    groups = {
        level: sorted(here.loc[here["level"] == level, "group"].unique(), reverse=True)
        for level in levels
    }
    styles = model_styles(names, controls)
    columns = {
        "precision_at_1": "value",
        "precision_at_1_low": "low",
        "precision_at_1_high": "high",
    }
    counts = [max(1, len(groups[level])) for level in levels]
    height = 20 + rows_height(sum(counts), len(names)) + legend_height(list(names.values()))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            2,
            len(splits),
            figsize=size(TWO_COLUMNS, height),
            sharex=True,
            squeeze=False,
            layout="constrained",
            gridspec_kw={"height_ratios": counts},
        )
        for column, split in enumerate(splits):
            for axis, level in zip(axes[:, column], levels, strict=True):
                part = here[(here["level"] == level) & (here["query_split"] == split)]
                queries = (
                    part.groupby("group")["queries"].max().reindex(groups[level], fill_value=0)
                )
                values = {
                    model: part[part["model"] == model].set_index("group")[list(columns)]
                    for model in names
                }
                few = queries < FEWEST_SHOWN_FULLY
                in_lanes(
                    axis,
                    {model: each.rename(columns=columns) for model, each in values.items()},
                    groups[level],
                    names,
                    styles,
                    few[few].index,
                )
                name_rows(
                    axis,
                    [f"{name}  (n={count:,})" for name, count in queries.items()],
                    few.tolist(),
                )
                axis.set_xlim(-0.02, 1.02)
                axis.set_title(f"by {level}, queries: {split}")
            shown = here[here["level"].isin(levels)]
            known = shown["precision_at_1_low"].notna().any()
            axes[-1][column].set_xlabel("P@1, lines: 95 % intervals" if known else "P@1")
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure


def _marked(ks: np.ndarray) -> list[int]:
    """Where a curve carries its marker: near k = 1, 2, 5, 10, 20, 50, ... so that they do not crowd
    at the right.
    """
    wanted = [mantissa * 10**power for power in range(7) for mantissa in (1, 2, 5)]
    return [int(np.flatnonzero(ks == k)[0]) for k in wanted if (ks == k).any()]
