"""The figure of places in volumes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.dots import (
    in_lanes,
    legend_below,
    legend_height,
    name_rows,
    rows_height,
    sentence,
)
from radcbir.report.style import GRAY, STYLE, TWO_COLUMNS, model_styles, size


def localization_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str], within_mm: float
) -> plt.Figure:
    """The share of queries whose place is found, a row per size of the slab, a dot with its interval
    per model; a panel per query split. A dashed line is chance.
    """
    splits = list(table["query_split"].unique()) or [""]
    table = table.assign(row=_rows(table))
    sizes = list(dict.fromkeys(table["row"]))[::-1]
    styles = model_styles(names, controls)
    height = 15 + rows_height(len(sizes), len(names))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(splits),
            figsize=size(TWO_COLUMNS, height + legend_height(list(names.values()))),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, split in zip(axes[0], splits, strict=True):
            here = table[table["query_split"] == split]
            axis.set_title(f"queries: {split}")
            if here["value"].isna().all():
                sentence(axis, "no query has its place in the index")
                continue
            values = {model: here[here["model"] == model].set_index("row") for model in names}
            in_lanes(axis, values, sizes, names, styles)
            axis.axvline(here["chance"].max(), color=GRAY, linestyle="--", linewidth=0.8)
            name_rows(axis, sizes)
            axis.set_xlim(-0.02, 1.02)
            axis.set_xlabel(f"share of queries placed within {within_mm:g} mm")
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure


def _rows(table: pd.DataFrame) -> list[str]:
    """What the rows of the figure are called: so many slices, and the box that they are cropped to."""
    boxes = table["box"] if "box" in table else pd.Series(float("nan"), table.index)
    return [
        ("1 slice" if size == 1 else f"{size} slices")
        + ("" if pd.isna(box) else f", box {100 * box:g} %")
        for size, box in zip(table["slices"], boxes, strict=True)
    ]
