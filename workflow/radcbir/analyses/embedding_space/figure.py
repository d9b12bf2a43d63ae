"""Figures of the embedding spaces and of the remedies against hubs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.analyses.embedding_space.page import MEASURES, REMEDIES
from radcbir.report.dots import dot, legend_below, legend_height
from radcbir.report.style import INK, LINE, STYLE, TWO_COLUMNS, model_styles, size

REMEDY_MARKERS = {
    "none": ("o", "#1c2430"),
    "centering": ("s", "#0072B2"),
    "local_scaling": ("^", "#D55E00"),
    "mutual_proximity": ("D", "#009E73"),
    "csls": ("v", "#CC79A7"),
}


def embedding_spaces_figure(
    space: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """A panel per measure, a dot per model; the hubness of each query split as a panel of its
    own.
    """
    panels = []
    for (measure, level), (title, _) in MEASURES.items():
        here = space[
            (space["measure"] == measure)
            & (space["level"].fillna("") == level)
            & space["query_split"].isna()
        ]
        if len(here) and measure != "dimension":
            panels.append((title, here.set_index("model")["value"], None))
    for split in space["query_split"].dropna().unique():
        here = space[space["query_split"] == split]
        hubs, chance = (
            here[here["measure"] == name].set_index("model")["value"]
            for name in ("hubness_skewness", "hubness_skewness_by_chance")
        )
        panels.append((f"hubness (tick: chance)\nqueries: {split}", hubs, chance))
    columns = 3
    rows = -(-len(panels) // columns)
    styles = model_styles(names, controls)
    places = np.arange(len(names))[::-1]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=size(TWO_COLUMNS, rows * (14 + 1.3 * LINE * len(names))),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis in axes.ravel()[len(panels) :]:
            axis.set_visible(False)
        for axis, (title, values, chance) in zip(axes.ravel(), panels, strict=False):
            for place, model in zip(places, names, strict=True):
                axis.plot(values.get(model, np.nan), place, **dot(styles[model]))
            if chance is not None:
                axis.plot(chance.reindex(list(names)), places, "|", color=INK, markersize=7)
            axis.set_yticks(places, list(names.values()))
            axis.set_ylim(-0.6, len(names) - 0.4)
            axis.set_title(title)
    return figure


def hub_remedies_figure(
    hubness: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 and skewness of each model, plain and by each remedy; a row per query split."""
    splits = list(hubness["query_split"].unique())
    places = np.arange(len(names))[::-1]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            2,
            figsize=size(
                TWO_COLUMNS,
                len(splits) * (14 + 2 * LINE * len(names)) + legend_height(list(REMEDIES.values())),
            ),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            here = hubness[hubness["query_split"] == split]
            for axis, column, title in zip(
                axes[row],
                ("precision_at_1", "skewness"),
                ("P@1", "hubness (skewness)"),
                strict=True,
            ):
                for offset, remedy in zip(
                    np.linspace(0.24, -0.24, len(REMEDIES)), REMEDIES, strict=True
                ):
                    values = (
                        here[here["remedy"] == remedy]
                        .set_index("model")[column]
                        .reindex(list(names))
                    )
                    marker, color = REMEDY_MARKERS[remedy]
                    axis.plot(
                        values,
                        places + offset,
                        linestyle="",
                        marker=marker,
                        color=color,
                        label=REMEDIES[remedy],
                    )
                axis.set_yticks(
                    places,
                    [f"{name} *" if model in controls else name for model, name in names.items()],
                )
                axis.set_ylim(-0.6, len(names) - 0.4)
                axis.set_title(f"{title}, queries: {split}")
        if controls:
            axes[-1][0].set_xlabel("* control", loc="left")
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure
