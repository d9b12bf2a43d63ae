"""The figure of region recall."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.dots import (
    CHANCE,
    FEWEST_SHOWN_FULLY,
    legend_below,
    legend_height,
    marked_rows,
    name_rows,
    rows_height,
    sentence,
)
from radcbir.report.style import STYLE, TWO_COLUMNS, model_styles, size

MOST_LABELS = 20
"""So many labels are shown: those with most queries."""

MEANS = {"fine": "mean over labels", "coarse": "mean over regions"}


def region_recall_figure(
    means: pd.DataFrame,
    labels: pd.DataFrame,
    names: Mapping[str, str],
    controls: Sequence[str],
) -> plt.Figure:
    """Recall at 1: the means over labels and over regions, then the labels with most queries, a
    lane per model, a line where random results stand; a panel per query split.
    """
    fine = labels[(labels["level"] == "fine") & (labels["k"] == 1)]
    queries = fine.groupby("label")["queries"].max()
    queries = queries[queries > 0].sort_index().sort_values(ascending=False, kind="stable")
    shown = queries.index[:MOST_LABELS].tolist()
    rows = [*MEANS.values(), *shown][::-1]
    of_means = means[means["k"] == 1]
    table = pd.concat(
        [fine, of_means.assign(label=of_means["level"].map(MEANS))], ignore_index=True
    )
    few = [each in queries.index and queries[each] < FEWEST_SHOWN_FULLY for each in rows]
    splits, styles = list(means["query_split"].unique()), model_styles(names, controls)
    height = 15 + rows_height(len(rows), len(names)) + legend_height([*names.values(), CHANCE])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(splits),
            figsize=size(TWO_COLUMNS, height),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        named = False
        for axis, split in zip(axes[0], splits, strict=True):
            here = table[table["query_split"] == split]
            axis.set_title(f"queries: {split}")
            if here["value"].isna().all():
                sentence(axis, "no query shows what an index image shows")
                continue
            faded = [each for each, is_few in zip(rows, few, strict=True) if is_few]
            marked_rows(axis, here, "label", rows, "value", names, styles, faded)
            axis.tick_params(labelleft=not named)
            named = True
            name_rows(axis, rows, few)
            axis.set_xlim(-0.02, 1.02)
            axis.set_xlabel("share of queries whose first result\nshows the label, too")
        most = max(axes[0], key=lambda axis: len(axis.lines))
        legend_below(figure, *most.get_legend_handles_labels())
    return figure
