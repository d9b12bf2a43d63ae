"""The figure of P@k over the size of the index."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import matplotlib.ticker
import pandas as pd

from radcbir.report.dots import label_ends
from radcbir.report.style import STYLE, TWO_COLUMNS, model_styles, size


def index_size_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 and P@10, micro and macro, over the number of index images (log scale): mean of the
    seeds, range as a band.
    """
    here = table[(table["counting"] == "all") & (table["neighbors"] == "all")]
    panels = [
        (metric, average)
        for metric in ("precision_at_1", "precision_at_10")
        for average in ("micro", "macro")
    ]
    splits, styles = list(table["query_split"].unique()), model_styles(names, controls)
    titles = {"precision_at_1": "P@1", "precision_at_10": "P@10"}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(panels),
            figsize=size(TWO_COLUMNS, 12 + (8 + max(38.0, 3.2 * len(names))) * len(splits)),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for row, split in enumerate(splits):
            for axis, (metric, average) in zip(axes[row], panels, strict=True):
                part = here[
                    (here["query_split"] == split)
                    & (here["metric"] == metric)
                    & (here["average"] == average)
                ].dropna(subset=["value"])
                ends = {}
                for model in names:
                    curve = part[part["model"] == model].groupby("share")
                    images, values = curve["index_images"].mean(), curve["value"]
                    style = styles[model]
                    axis.plot(images, values.mean(), **style)
                    ends[model] = values.mean().iloc[-1] if len(images) else float("nan")
                    axis.fill_between(
                        images,
                        values.min(),
                        values.max(),
                        color=style["color"],
                        alpha=0.12,
                        linewidth=0,
                    )
                axis.set_xscale("log")
                axis.set_ylim(0, 1)
                axis.set_title(f"{titles[metric]} ({average})\nqueries: {split}")
                sizes = part.groupby("share")["index_images"].mean().round().astype(int).unique()
                axis.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=35, ha="right")
                axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
                if row == len(splits) - 1:
                    axis.set_xlabel("index images")
            label_ends(figure, axis, ends, names, styles)
    return figure
