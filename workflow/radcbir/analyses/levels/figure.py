"""Figures of the levels of a label, of the finding given the region, and of what neighbors are."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np
import pandas as pd

from radcbir.report.dots import (
    CHANCE,
    FEWEST_SHOWN_FULLY,
    legend_below,
    legend_height,
    marked_rows,
    name_rows,
    of_all_neighbors,
    rows_height,
    with_lacking,
)
from radcbir.report.style import LINE, STYLE, TWO_COLUMNS, model_styles, size

LEVEL_NAMES = {
    "modality": "modality",
    "region": "region",
    "modality_region": "modality and region",
    "finding": "finding",
    "label": "full label",
}

OUTCOME_STYLES = {
    "full_hit": ("right label", "#0072B2", ""),
    "other_finding": ("right region, other finding", "#56B4E9", "//"),
    "other_region": ("right modality, other region", "#E69F00", ".."),
    "other_modality": ("other modality", "#8a8f98", "xx"),
}

CONDITIONS = {
    "among_neighbors": "among the neighbors of the right region",
    "within_region": "searched within the region",
}


def levels_figure(
    precision: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 and P@10 (or the deepest k) level by level, a lane per model, a line where random neighbors
    stand.
    """
    shown = precision[(precision["definition"] == "capped") & (precision["average"] == "micro")]
    splits, styles = list(precision["query_split"].unique()), model_styles(names, controls)
    of_labels = shown[(shown["level"] == "label") & (shown["neighbors"] == "all")]
    names = with_lacking(names, of_labels[of_labels["k"] == 1].groupby("model")["queries"].sum())
    ks = sorted({1, min(10, int(precision["k"].max()))})
    rows = rows_height(len(LEVEL_NAMES), len(names))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(ks),
            figsize=size(
                TWO_COLUMNS, len(splits) * (8 + rows) + 4 + legend_height([*names.values(), CHANCE])
            ),
            squeeze=False,
            sharey=True,
            sharex=True,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, k in zip(axes[row], ks, strict=True):
                here = of_all_neighbors(shown[shown["k"] == k], split)
                marked_rows(axis, here, "level", list(LEVEL_NAMES)[::-1], "value", names, styles)
                name_rows(axis, list(LEVEL_NAMES.values())[::-1])
                axis.set_title(f"P@{k}, queries: {split}")
                axis.set_xlim(-0.02, 1.02)
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure


def conditional_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """The share of right findings given the region, by region (at k = 1), both ways to condition,
    beside the prior.
    """
    splits, styles = list(table["query_split"].unique()), model_styles(names, controls)
    here = table[(table["k"] == 1) & (table["neighbors"] == "all") & (table["queries"] > 0)]
    kinds = {"finding": 0, "modality_region": 1, "all": 2}
    found = here.drop_duplicates(["kind", "group"]).assign(
        place=lambda rows: rows["kind"].map(kinds)
    )
    found = found.sort_values(["place", "group"], ascending=[True, False])
    groups = found["group"].tolist()
    counts = here.groupby(["query_split", "group", "condition"])["queries"].max()
    height = len(splits) * (12 + rows_height(max(2, len(groups)), len(names)))
    height += 4 + legend_height([*names.values(), CHANCE])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(CONDITIONS),
            figsize=size(TWO_COLUMNS, height),
            squeeze=False,
            sharex=True,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, (condition, title) in zip(axes[row], CONDITIONS.items(), strict=True):
                part = here[(here["query_split"] == split) & (here["condition"] == condition)]
                axis.set_title(f"P@1 {title}\nqueries: {split}")
                axis.set_xlim(-0.02, 1.02)
                if not len(part):
                    axis.text(
                        0.5,
                        0.5,
                        "no region has two findings",
                        ha="center",
                        transform=axis.transAxes,
                    )
                    axis.set_yticks([])
                    continue
                largest = part.groupby("group")["queries"].max().reindex(groups, fill_value=0)
                few = (largest < FEWEST_SHOWN_FULLY).tolist()
                faded = [each for each, is_few in zip(groups, few, strict=True) if is_few]
                marked_rows(axis, part, "group", groups, "micro", names, styles, faded)
                name_rows(axis, [_with_counts(counts, split, each) for each in groups], few)
            axes[row][1].tick_params(labelleft=False)
        most = max(axes.ravel(), key=lambda axis: len(axis.lines))
        legend_below(figure, *most.get_legend_handles_labels())
    return figure


def _with_counts(counts: pd.Series, split: str, group: str) -> str:
    """A group and its number of queries; one number per panel where they differ."""
    numbers = [f"{counts.get((split, group, each), 0):,}" for each in CONDITIONS]
    return f"{group}  (n={' | '.join(dict.fromkeys(numbers))})"


def outcomes_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """What the first k neighbors are, a stacked bar per model; a column per k, a row per query
    split.

    Bars of a kind have the same color in every figure of outcomes; models are told apart by name.
    """
    shown = table[(table["kind"] == "all") & (table["neighbors"] == "all")]
    splits, ks = list(table["query_split"].unique()), sorted(shown["k"].unique())
    models = list(names)[::-1]
    with plt.rc_context(STYLE | {"hatch.color": "#ffffff"}):
        figure, axes = plt.subplots(
            len(splits),
            len(ks),
            figsize=size(TWO_COLUMNS, 8 + len(splits) * (10 + 1.6 * LINE * len(models))),
            squeeze=False,
            sharex=True,
            sharey=True,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, k in zip(axes[row], ks, strict=True):
                here = shown[(shown["query_split"] == split) & (shown["k"] == k)]
                left = np.zeros(len(models))
                for outcome, (label, color, hatch) in OUTCOME_STYLES.items():
                    shares = (
                        here[here["outcome"] == outcome]
                        .set_index("model")["share"]
                        .reindex(models)
                        .fillna(0)
                    )
                    axis.barh(
                        range(len(models)),
                        shares,
                        left=left,
                        color=color,
                        hatch=hatch,
                        label=label,
                        height=0.72,
                    )
                    left += shares.to_numpy()
                axis.set_yticks(range(len(models)), [names[model] for model in models])
                axis.set_xlim(0, 1)
                axis.grid(axis="y", visible=False)
                axis.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, symbol=" %"))
                axis.set_title(f"first {k if k > 1 else 'neighbor'}\nqueries: {split}")
            for tick, model in zip(axes[row][0].get_yticklabels(), models, strict=True):
                tick.set_fontstyle("italic" if model in controls else "normal")
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure
