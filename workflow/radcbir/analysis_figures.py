"""Figures of the analyses of uncertainty, levels and index size, in the style and the colors of ``figures``.

``names`` maps each model to the name shown, in the order of the configuration; ``controls`` are the models drawn in gray.
Where a table has figures with and without same-patient neighbors, those over all neighbors are drawn.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np
import pandas as pd

from radcbir.figures import STYLE, model_styles

FOREST = [
    ("P@1", "precision_at_1", "micro"),
    ("macro P@1", "precision_at_1", "macro"),
    ("P@10", "precision_at_10", "micro"),
    ("mAP", "mean_average_precision", "micro"),
]
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


def forest(
    intervals: pd.DataFrame,
    ranks: pd.DataFrame,
    bounds: pd.DataFrame,
    names: Mapping[str, str],
    controls: Sequence[str],
) -> plt.Figure:
    """Headline metrics with intervals, a row per model, best on top, and how often each ranks first by P@1."""
    splits, styles = list(intervals["query_split"].unique()), model_styles(list(names), controls)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits), len(FOREST) + 1, figsize=(15, 0.9 + len(splits) * (0.9 + 0.34 * len(names))), squeeze=False,
            sharey="row", layout="constrained",
        )  # fmt: skip
        for row, split in enumerate(splits):
            here = _all_neighbors(intervals, split)
            order = _best_last(here, names)
            for axis, (head, metric, average) in zip(axes[row], FOREST, strict=False):
                chosen = here[(here["metric"] == metric) & (here["average"] == average)].set_index("model")
                for place, model in enumerate(order):
                    value, low, high = chosen.loc[model, ["value", "low", "high"]]
                    color, marker = styles[model]["color"], styles[model]["marker"] or "|"
                    axis.plot([low, high], [place, place], color=color, linewidth=2.2, solid_capstyle="butt")
                    axis.plot(value, place, color=color, marker=marker, markersize=7, linestyle="")
                floor = _all_neighbors(bounds, split)
                floor = floor[(floor["metric"] == metric) & (floor["average"] == average)].set_index("model")["value"]
                axis.axvline(floor["chance"], color="#47505e", linestyle=":", linewidth=1.2)
                axis.set_xlim(left=0)
                axis.set_title(f"{head}, queries: {split}", fontsize=10.5, loc="left")
            first = _all_neighbors(ranks, split)
            first = first[(first["metric"] == "precision_at_1") & (first["average"] == "micro")].set_index("model")
            shares = first["first"].reindex(order)
            axis = axes[row][-1]
            axis.barh(
                range(len(order)), shares.fillna(0), color=[styles[model]["color"] for model in order], height=0.6
            )
            for place, share in enumerate(shares):
                axis.text(min(share, 0.8) + 0.02 if share < 0.8 else share - 0.02, place, _percent(share),
                          ha="left" if not share >= 0.8 else "right", va="center", fontsize=9,
                          color="#fff" if share >= 0.8 else "#1c2430")  # fmt: skip
            axis.set_xlim(0, 1)
            axis.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
            axis.set_title("first by P@1", fontsize=10.5, loc="left")
            axes[row][0].set_yticks(range(len(order)), [names[model] for model in order])
            axes[row][0].set_ylim(-0.6, len(order) - 0.4)
    return figure


def difference_matrix(differences: pd.DataFrame, names: Mapping[str, str]) -> plt.Figure:
    """Row model minus column model in P@1, micro and macro; bold with a frame where the interval leaves 0 out."""
    splits, models = list(differences["query_split"].unique()), list(names)
    side = max(3.2, 0.75 * len(models))
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(
            max(1, len(splits)), 2, figsize=(2 * side + 3.5, max(1, len(splits)) * (side + 0.9)), squeeze=False,
            layout="constrained",
        )  # fmt: skip
        if len(models) == 1:
            for axis in axes.ravel():
                axis.text(0.5, 0.5, "one model: nothing to compare", ha="center")
                axis.set_axis_off()
            return figure
        chosen = differences[(differences["metric"] == "precision_at_1") & (differences["neighbors"] == "all")]
        largest = max(float(chosen["difference"].abs().max()), 1e-9)
        for row, split in enumerate(splits):
            for axis, average in zip(axes[row], ("micro", "macro"), strict=True):
                pairs = chosen[(chosen["query_split"] == split) & (chosen["average"] == average)]
                matrix = np.full((len(models), len(models)), np.nan)
                for pair in pairs.itertuples():
                    one, other = models.index(pair.model), models.index(pair.other)
                    matrix[one, other], matrix[other, one] = pair.difference, -pair.difference
                    for place, value in (((one, other), pair.difference), ((other, one), -pair.difference)):
                        sure = bool(pair.distinguishable)
                        axis.text(place[1], place[0], f"{100 * value:+.1f}", ha="center", va="center", fontsize=9,
                                  color="#fff" if abs(value) > 0.6 * largest else "#1c2430",
                                  fontweight="bold" if sure else "normal")  # fmt: skip
                        if sure:
                            corner = (place[1] - 0.46, place[0] - 0.46)
                            axis.add_patch(plt.Rectangle(corner, 0.92, 0.92, fill=False, edgecolor="#1c2430"))
                axis.imshow(matrix, cmap="PuOr_r", vmin=-largest, vmax=largest)
                axis.set_xticks(range(len(models)), names.values(), rotation=35, ha="right")
                axis.set_yticks(range(len(models)), names.values())
                axis.spines[:].set_visible(False)
                title = f"P@1 ({average}), queries: {split}"
                axis.set_title(title, fontsize=10.5, loc="left")
        figure.suptitle("row minus column, percentage points; framed: the 95 % interval leaves 0 out", fontsize=10.5)
    return figure


def levels(precision: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """P@1 and P@10 (or the deepest k) level by level, a marker per model, a tick where random neighbors stand."""
    shown = precision[(precision["definition"] == "capped") & (precision["average"] == "micro")]
    splits, styles = list(precision["query_split"].unique()), model_styles(list(names), controls)
    ks = sorted({1, min(10, int(precision["k"].max()))})
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits), len(ks), figsize=(3.5 + 4.5 * len(ks), 0.8 + 2.9 * len(splits)), squeeze=False, sharey=True,
            sharex=True, layout="constrained",
        )  # fmt: skip
        for row, split in enumerate(splits):
            for axis, k in zip(axes[row], ks, strict=True):
                here = _all_neighbors(shown[shown["k"] == k], split)
                _marked_rows(axis, here, "level", list(LEVEL_NAMES)[::-1], "value", names, styles)
                axis.set_yticks(range(len(LEVEL_NAMES)), list(LEVEL_NAMES.values())[::-1])
                axis.set_title(f"P@{k}, queries: {split}", fontsize=10.5, loc="left")
                axis.set_xlim(-0.02, 1.02)
        _legend(figure, axes[0][0])
    return figure


def conditional(table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """The share of right findings given the region, by region (at k = 1), both ways to condition, beside the prior."""
    splits, styles = list(table["query_split"].unique()), model_styles(list(names), controls)
    here = table[(table["k"] == 1) & (table["neighbors"] == "all") & (table["queries"] > 0)]
    kinds = {"finding": 0, "modality_region": 1, "all": 2}
    found = here.drop_duplicates(["kind", "group"]).assign(place=lambda rows: rows["kind"].map(kinds))
    found = found.sort_values(["place", "group"], ascending=[True, False])
    groups, labels = found["group"].tolist(), found["group"].tolist()
    asked = here.groupby(["query_split", "group"])["queries"].max()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits), len(CONDITIONS), figsize=(14, len(splits) * (1.2 + 0.36 * max(2, len(groups)))), squeeze=False,
            sharex=True, layout="constrained",
        )  # fmt: skip
        for row, split in enumerate(splits):
            for axis, (condition, title) in zip(axes[row], CONDITIONS.items(), strict=True):
                part = here[(here["query_split"] == split) & (here["condition"] == condition)]
                axis.set_title(f"P@1 {title}, queries: {split}", fontsize=10.5, loc="left")
                axis.set_xlim(-0.02, 1.02)
                if not len(part):
                    axis.text(0.5, 0.5, "no region has two findings", ha="center", transform=axis.transAxes)
                    axis.set_yticks([])
                    continue
                _marked_rows(axis, part, "group", groups, "micro", names, styles)
                labels = [f"{group}  (n={asked.get((split, group), 0):,})" for group in groups]
                axis.set_yticks(range(len(groups)), labels)
            axes[row][1].tick_params(labelleft=False)
        _legend(figure, max(axes.ravel(), key=lambda axis: len(axis.lines)))
    return figure


def outcomes(table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """What the first k neighbors are, a stacked bar per model; a column per k, a row per query split.

    Bars of a kind have the same color in every figure of outcomes; models are told apart by name.
    """
    shown = table[(table["kind"] == "all") & (table["neighbors"] == "all")]
    splits, ks = list(table["query_split"].unique()), sorted(shown["k"].unique())
    models = list(names)[::-1]
    with plt.rc_context(STYLE | {"hatch.linewidth": 0.6, "hatch.color": "#ffffff"}):
        figure, axes = plt.subplots(
            len(splits), len(ks), figsize=(3 + 3.3 * len(ks), 0.9 + len(splits) * (0.7 + 0.36 * len(models))),
            squeeze=False, sharex=True, sharey=True, layout="constrained",
        )  # fmt: skip
        for row, split in enumerate(splits):
            for axis, k in zip(axes[row], ks, strict=True):
                here = shown[(shown["query_split"] == split) & (shown["k"] == k)]
                left = np.zeros(len(models))
                for outcome, (label, color, hatch) in OUTCOME_STYLES.items():
                    shares = here[here["outcome"] == outcome].set_index("model")["share"].reindex(models).fillna(0)
                    axis.barh(range(len(models)), shares, left=left, color=color, hatch=hatch, label=label, height=0.72)
                    left += shares.to_numpy()
                axis.set_yticks(range(len(models)), [names[model] for model in models])
                axis.set_xlim(0, 1)
                axis.grid(axis="y", visible=False)
                axis.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
                axis.set_title(f"first {k}, queries: {split}" if k > 1 else f"first, queries: {split}", fontsize=10.5,
                               loc="left")  # fmt: skip
            for tick, model in zip(axes[row][0].get_yticklabels(), models, strict=True):
                tick.set_fontstyle("italic" if model in controls else "normal")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def index_size(table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """P@1 and P@10, micro and macro, over the number of index images (log scale): mean of the seeds, range as a band."""
    here = table[(table["counting"] == "all") & (table["neighbors"] == "all")]
    panels = [(metric, average) for metric in ("precision_at_1", "precision_at_10") for average in ("micro", "macro")]
    splits, styles = list(table["query_split"].unique()), model_styles(list(names), controls)
    titles = {"precision_at_1": "P@1", "precision_at_10": "P@10"}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits), len(panels), figsize=(16, 0.6 + 3.4 * len(splits)), sharex=True, sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for row, split in enumerate(splits):
            for axis, (metric, average) in zip(axes[row], panels, strict=True):
                part = here[
                    (here["query_split"] == split) & (here["metric"] == metric) & (here["average"] == average)
                ].dropna(subset=["value"])
                for model, name in names.items():
                    curve = part[part["model"] == model].groupby("share")
                    images, values = curve["index_images"].mean(), curve["value"]
                    style = styles[model] | {"markersize": 4.5, "linewidth": 1.8}
                    axis.plot(images, values.mean(), label=name, **style)
                    axis.fill_between(images, values.min(), values.max(), color=style["color"], alpha=0.12, linewidth=0)
                axis.set_xscale("log")
                axis.set_ylim(0, 1)
                axis.set_title(f"{titles[metric]} ({average}), queries: {split}", fontsize=10.5, loc="left")
                sizes = part.groupby("share")["index_images"].mean().round().astype(int).unique()
                axis.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=35, ha="right")
                axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
                if row == len(splits) - 1:
                    axis.set_xlabel("index images (mean of the draws)")
        _legend(figure, axes[0][0])
    return figure


def _marked_rows(
    axis: plt.Axes,
    table: pd.DataFrame,
    key: str,
    rows: Sequence[str],
    column: str,
    names: Mapping[str, str],
    styles: Mapping[str, Mapping],
) -> None:
    """A horizontal line per row, a marker per model on it, and the mean chance level as a dark tick."""
    for model, name in names.items():
        values = table[table["model"] == model].set_index(key)[column].reindex(rows)
        style = {**styles[model], "linestyle": "", "marker": styles[model]["marker"] or "|"}
        axis.plot(
            values.to_numpy(), np.arange(len(rows)), label=name, markersize=9, markeredgewidth=2, alpha=0.85, **style
        )
    chance = table.groupby(key)["chance"].mean().reindex(rows)
    axis.plot(chance, np.arange(len(rows)), label="random neighbors", color="#000000", marker="x", linestyle="",
              markersize=6)  # fmt: skip
    axis.set_ylim(-0.6, len(rows) - 0.4)


def _legend(figure: plt.Figure, axis: plt.Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")


def _all_neighbors(table: pd.DataFrame, split: str) -> pd.DataFrame:
    return table[(table["neighbors"] == "all") & (table["query_split"] == split)]


def _best_last(table: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """The models by micro P@1, the best last (it is drawn on top)."""
    first = table[(table["metric"] == "precision_at_1") & (table["average"] == "micro")].set_index("model")["value"]
    return sorted(names, key=lambda model: first.get(model, np.nan) if first.get(model) == first.get(model) else -1)


def _percent(share: float) -> str:
    if not np.isfinite(share):
        return "–"
    return f"{100 * share:.0f} %" if share >= 0.005 or share == 0 else "< 1 %"
