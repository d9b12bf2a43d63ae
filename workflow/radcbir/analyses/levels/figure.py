"""Figures of the levels of a label, of the finding given the region, and of what neighbors are."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np
import pandas as pd

from radcbir.report.dots import legend_on_the_right, of_all_neighbors
from radcbir.report.style import STYLE, model_styles

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
    """P@1 and P@10 (or the deepest k) level by level, a marker per model, a tick where random
    neighbors stand.
    """
    shown = precision[(precision["definition"] == "capped") & (precision["average"] == "micro")]
    splits, styles = list(precision["query_split"].unique()), model_styles(list(names), controls)
    ks = sorted({1, min(10, int(precision["k"].max()))})
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(ks),
            figsize=(3.5 + 4.5 * len(ks), 0.8 + 2.9 * len(splits)),
            squeeze=False,
            sharey=True,
            sharex=True,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, k in zip(axes[row], ks, strict=True):
                here = of_all_neighbors(shown[shown["k"] == k], split)
                _marked_rows(axis, here, "level", list(LEVEL_NAMES)[::-1], "value", names, styles)
                axis.set_yticks(range(len(LEVEL_NAMES)), list(LEVEL_NAMES.values())[::-1])
                axis.set_title(f"P@{k}, queries: {split}", fontsize=10.5, loc="left")
                axis.set_xlim(-0.02, 1.02)
        legend_on_the_right(figure, axes[0][0])
    return figure


def conditional_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """The share of right findings given the region, by region (at k = 1), both ways to condition,
    beside the prior.
    """
    splits, styles = list(table["query_split"].unique()), model_styles(list(names), controls)
    here = table[(table["k"] == 1) & (table["neighbors"] == "all") & (table["queries"] > 0)]
    kinds = {"finding": 0, "modality_region": 1, "all": 2}
    found = here.drop_duplicates(["kind", "group"]).assign(
        place=lambda rows: rows["kind"].map(kinds)
    )
    found = found.sort_values(["place", "group"], ascending=[True, False])
    groups = found["group"].tolist()
    counts = here.groupby(["query_split", "group", "condition"])["queries"].max()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(CONDITIONS),
            figsize=(14, len(splits) * (1.2 + 0.36 * max(2, len(groups)))),
            squeeze=False,
            sharex=True,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, (condition, title) in zip(axes[row], CONDITIONS.items(), strict=True):
                part = here[(here["query_split"] == split) & (here["condition"] == condition)]
                axis.set_title(f"P@1 {title}, queries: {split}", fontsize=10.5, loc="left")
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
                _marked_rows(axis, part, "group", groups, "micro", names, styles)
                axis.set_yticks(
                    range(len(groups)), [_with_counts(counts, split, each) for each in groups]
                )
            axes[row][1].tick_params(labelleft=False)
        legend_on_the_right(figure, max(axes.ravel(), key=lambda axis: len(axis.lines)))
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
    with plt.rc_context(STYLE | {"hatch.linewidth": 0.6, "hatch.color": "#ffffff"}):
        figure, axes = plt.subplots(
            len(splits),
            len(ks),
            figsize=(3 + 3.3 * len(ks), 0.9 + len(splits) * (0.7 + 0.36 * len(models))),
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
                axis.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
                axis.set_title(
                    f"first {k}, queries: {split}" if k > 1 else f"first, queries: {split}",
                    fontsize=10.5,
                    loc="left",
                )
            for tick, model in zip(axes[row][0].get_yticklabels(), models, strict=True):
                tick.set_fontstyle("italic" if model in controls else "normal")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _marked_rows(
    axis: plt.Axes,
    table: pd.DataFrame,
    key: str,
    rows: list[str],
    column: str,
    names: Mapping[str, str],
    styles: Mapping[str, Mapping],
) -> None:
    """A horizontal line per row, a marker per model on it, and the mean chance level as a dark
    tick.
    """
    for model, name in names.items():
        values = table[table["model"] == model].set_index(key)[column].reindex(rows)
        style = {**styles[model], "linestyle": "", "marker": styles[model]["marker"] or "|"}
        axis.plot(
            values.to_numpy(),
            np.arange(len(rows)),
            label=name,
            markersize=9,
            markeredgewidth=2,
            alpha=0.85,
            **style,
        )
    chance = table.groupby(key)["chance"].mean().reindex(rows)
    axis.plot(
        chance,
        np.arange(len(rows)),
        label="random neighbors",
        color="#000000",
        marker="x",
        linestyle="",
        markersize=6,
    )
    axis.set_ylim(-0.6, len(rows) - 0.4)
