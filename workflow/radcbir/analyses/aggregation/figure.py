"""The figure of ways to compare units."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.aggregation.scores import WAYS
from radcbir.report.dots import (
    NO_ANSWER,
    in_lanes,
    legend_below,
    legend_height,
    name_rows,
    rows_height,
    sentence,
)
from radcbir.report.style import STYLE, TWO_COLUMNS, model_styles, size


def aggregation_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 and mAP of each way, a row per way, a dot with its interval per model; a row of panels per
    query split.
    """
    splits = list(table["query_split"].unique()) or [""]
    styles, ways = model_styles(names, controls), list(reversed(WAYS))
    height = 15 + rows_height(len(WAYS), len(names))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            2,
            figsize=size(TWO_COLUMNS, height * len(splits) + legend_height(list(names.values()))),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for row, split in zip(axes, splits, strict=True):
            here = table[(table["query_split"] == split) & (table["average"] == "micro")]
            for axis, (metric, name) in zip(row, SHOWN.items(), strict=True):
                of_metric = here[here["metric"] == metric]
                axis.set_title(f"{name}, queries: {split}")
                if of_metric["value"].isna().all():
                    sentence(axis, NO_ANSWER)
                    continue
                values = {
                    model: of_metric[of_metric["model"] == model].set_index("way")
                    for model in names
                }
                in_lanes(axis, values, ways, names, styles)
                name_rows(axis, [WAYS[each] for each in ways])
                axis.set_xlim(-0.02, 1.02)
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure


SHOWN = {"precision_at_1": "P@1", "mean_average_precision": "mAP"}
