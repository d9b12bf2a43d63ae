"""The figure of the robustness index."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.robustness_index.compute import EVEN
from radcbir.report.dots import before_and_after
from radcbir.report.style import GRAY


def robustness_index_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Per attribute the index of the worst site (hollow) and of all queries (filled)."""
    shown = table[table["robustness_index"].notna()]
    figure = before_and_after(
        shown,
        list(shown["attribute"].unique()),
        "attribute",
        "worst",
        "robustness_index",
        names,
        controls,
        "robustness index: hollow of the worst site, filled of all queries",
        "no query can tell the label from the site",
    )
    for axis in figure.axes:
        axis.axvline(EVEN, color=GRAY, linewidth=0.8, linestyle=":")
    return figure
