"""Figures of the embedding spaces, of leakage, shortcuts, graded relevance and retrieval across datasets."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.figures import STYLE, model_styles
from radcbir.trust_pages import MEASURES, REMEDIES

REMEDY_MARKERS = {
    "none": ("o", "#1c2430"), "centering": ("s", "#0072B2"), "local_scaling": ("^", "#D55E00"),
    "mutual_proximity": ("D", "#009E73"), "csls": ("v", "#CC79A7"),
}  # fmt: skip


def embedding_spaces(space: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """A panel per measure, a dot per model; the hubness of each query split as a panel of its own."""
    panels = []
    for (measure, level), (title, _) in MEASURES.items():
        here = space[(space["measure"] == measure) & (space["level"].fillna("") == level) & space["query_split"].isna()]
        if len(here) and measure != "dimension":
            panels.append((title, here.set_index("model")["value"], None))
    for split in space["query_split"].dropna().unique():
        here = space[space["query_split"] == split]
        hubs, chance = (
            here[here["measure"] == name].set_index("model")["value"]
            for name in ("hubness_skewness", "hubness_skewness_by_chance")
        )
        panels.append((f"hubness, queries: {split} (tick: chance)", hubs, chance))
    columns = 3
    rows = -(-len(panels) // columns)
    styles = model_styles(list(names), controls)
    places = np.arange(len(names))[::-1]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(11.5, rows * (0.75 + 0.24 * len(names))), sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for axis in axes.ravel()[len(panels) :]:
            axis.set_visible(False)
        for axis, (title, values, chance) in zip(axes.ravel(), panels, strict=False):
            for place, model in zip(places, names, strict=True):
                axis.plot(values.get(model, np.nan), place, markersize=8, **_dot(styles[model]))
            if chance is not None:
                axis.plot(chance.reindex(list(names)), places, "|", color="#1c2430", markersize=11)
            axis.set_yticks(places, list(names.values()))
            axis.set_ylim(-0.6, len(names) - 0.4)
            axis.set_title(title, fontsize=10.5, loc="left")
    return figure


def hub_remedies(hubness: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """P@1 and skewness of each model, plain and by each remedy; a row per query split."""
    splits = list(hubness["query_split"].unique())
    places = np.arange(len(names))[::-1]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits), 2, figsize=(11.5, len(splits) * (1.1 + 0.36 * len(names))), sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for row, split in enumerate(splits):
            here = hubness[hubness["query_split"] == split]
            for axis, column, title in zip(
                axes[row], ("precision_at_1", "skewness"), ("P@1", "skewness of the 10-occurrence"), strict=True
            ):
                for offset, remedy in zip(np.linspace(0.24, -0.24, len(REMEDIES)), REMEDIES, strict=True):
                    values = here[here["remedy"] == remedy].set_index("model")[column].reindex(list(names))
                    marker, color = REMEDY_MARKERS[remedy]
                    axis.plot(
                        values, places + offset, linestyle="", marker=marker, color=color, markersize=6,
                        label=remedy.replace("_", " "),
                    )  # fmt: skip
                axis.set_yticks(places, [f"{name} *" if model in controls else name for model, name in names.items()])
                axis.set_ylim(-0.6, len(names) - 0.4)
                axis.set_title(f"{title}, queries: {split}", fontsize=10.5, loc="left")
        if controls:
            axes[-1][0].set_xlabel("* control", loc="left", fontsize=9)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def leakage(table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """P@1 per model of all neighbors (hollow) and without those left out (filled), for the same queries."""
    here = table[(table["k"] == 1) & (table["neighbors"] != "all")]
    variants = list(here["neighbors"].unique())
    return _before_and_after(
        here, variants, "neighbors", "precision_all", "precision", names, controls,
        "P@1 for the same queries: hollow with all neighbors, filled without those left out",
    )  # fmt: skip


def shortcuts(table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """Per attribute, chance (hollow) and P@1 (filled) of every model: the way from one to the other is what it sees."""
    attributes = list(table["attribute"].unique())
    return _before_and_after(
        table, attributes, "attribute", "chance", "precision_at_1", names, controls,
        "hollow: a random index image shares it; filled: the nearest neighbor shares it",
    )  # fmt: skip


def _before_and_after(
    table: pd.DataFrame,
    groups: Sequence[str],
    column: str,
    before: str,
    after: str,
    names: Mapping[str, str],
    controls: Sequence[str],
    legend: str,
) -> plt.Figure:
    """A panel per query split: in each group a line per model from ``before`` (hollow) to ``after`` (filled)."""
    splits = list(table["query_split"].unique()) or [""]
    styles = model_styles(list(names), controls)
    step = 0.8 / max(len(names), 1)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, len(splits), figsize=(4 + 5.5 * len(splits), 1.4 + max(1, len(groups)) * (0.35 + 0.17 * len(names))),
            sharey=True, squeeze=False, layout="constrained",
        )  # fmt: skip
        for axis, split in zip(axes[0], splits, strict=True):
            for place, group in enumerate(reversed(groups)):
                rows = table[(table["query_split"] == split) & (table[column] == group)].set_index("model")
                for position, (model, name) in enumerate(names.items()):
                    if model not in rows.index:
                        continue
                    height = place + 0.4 - (position + 0.5) * step
                    ends = rows.loc[model, before], rows.loc[model, after]
                    style = _dot(styles[model])
                    axis.plot(ends, [height] * 2, color=style["color"], linewidth=1.2, alpha=0.7)
                    hollow = style | {"markerfacecolor": "white"}
                    axis.plot(ends[0], height, markersize=6, **hollow)
                    axis.plot(ends[1], height, markersize=6, label=name if place == 0 else None, **style)
            axis.set_yticks(range(len(groups)), [group.replace("_", " ") for group in reversed(groups)])
            axis.set_ylim(-0.6, max(len(groups), 1) - 0.4)
            axis.set_xlim(-0.02, 1.02)
            axis.set_title(f"queries: {split}" if split else "", fontsize=10.5, loc="left")
            axis.set_xlabel(legend, fontsize=9)
            axis.grid(visible=False, axis="y")
        if not groups:
            axes[0][0].text(0.5, 0, "nothing is known that could be left out", ha="center", va="center")
        handles, labels = axes[0][0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside right center")
    return figure


def graded_relevance(table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]) -> plt.Figure:
    """NDCG at the deepest cut, by label sets and by label paths: a column per query split, a dot per model and gain."""
    splits = list(table["query_split"].unique())
    deepest = table["k"].max()
    styles = model_styles(list(names), controls)
    places = np.arange(len(names))[::-1]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, len(splits), figsize=(3 + 4.5 * len(splits), 1.5 + 0.32 * len(names)), sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for axis, split in zip(axes[0], splits, strict=True):
            here = table[(table["query_split"] == split) & (table["k"] == deepest)]
            sets, paths = (here[here["gain"] == gain].set_index("model")["value"] for gain in ("jaccard", "label_tree"))
            for place, model in zip(places, names, strict=True):
                style = _dot(styles[model])
                ends = sets.get(model, np.nan), paths.get(model, np.nan)
                axis.plot(ends, [place] * 2, color=style["color"], linewidth=1.2, alpha=0.7)
                axis.plot(ends[0], place, markersize=8, **style)
                axis.plot(ends[1], place, markersize=8, **(style | {"markerfacecolor": "white"}))
            axis.set_yticks(places, list(names.values()))
            axis.set_ylim(-0.6, len(names) - 0.4)
            axis.set_xlim(-0.02, 1.02)
            axis.set_title(f"queries: {split}", fontsize=10.5, loc="left")
            axis.set_xlabel(f"nDCG@{deepest}: filled by label sets, hollow by label paths", fontsize=9)
    return figure


def cross_dataset(matrix: pd.DataFrame, names: Mapping[str, str]) -> plt.Figure:
    """P@1 per model as a matrix, queries of one dataset (rows) in the index of another (columns); the first query split."""
    here = matrix[matrix["query_split"] == matrix["query_split"].iloc[0]]
    datasets = sorted(set(here["query_dataset"]) | set(here["index_dataset"]))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    side = 0.9 + 0.75 * len(datasets)
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(
            rows, columns, figsize=(columns * (side + 1.2), rows * (side + 0.6)), squeeze=False, layout="constrained"
        )
        for axis in axes.ravel()[len(names) :]:
            axis.set_visible(False)
        for axis, (model, name) in zip(axes.ravel(), names.items(), strict=False):
            of_model = here[here["model"] == model]
            values = of_model.pivot_table(
                index="query_dataset", columns="index_dataset", values="precision_at_1", dropna=False
            )
            values = values.reindex(index=datasets, columns=datasets).to_numpy(float)
            axis.imshow(values, vmin=0, vmax=1, cmap="Blues")
            for (row, column), value in np.ndenumerate(values):
                ink = "white" if value > 0.6 else "#1c2430"
                axis.text(column, row, "–" if np.isnan(value) else f"{value:.2f}", ha="center", va="center", color=ink)
            axis.set_xticks(range(len(datasets)), datasets, rotation=20, ha="right")
            axis.set_yticks(range(len(datasets)), datasets)
            axis.set_title(name, fontsize=10.5, loc="left")
        for axis in axes[:, 0]:
            axis.set_ylabel("queries of")
        figure.supxlabel(f"index of, P@1, queries: {matrix['query_split'].iloc[0]}", fontsize=10)
    return figure


def _dot(style: Mapping) -> dict:
    """The style of a model for a single dot: controls, which have no marker on curves, get a thin diamond."""
    return {"linestyle": "", "color": style["color"], "marker": style["marker"] or "d"}
