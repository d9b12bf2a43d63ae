"""The figure of leakage."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.dots import before_and_after


def leakage_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 per model of all neighbors (hollow) and without those left out (filled), for the same
    queries.
    """
    here = table[(table["k"] == 1) & (table["neighbors"] != "all")]
    variants = list(here["neighbors"].unique())
    return before_and_after(
        here,
        variants,
        "neighbors",
        "precision_all",
        "precision",
        names,
        controls,
        "P@1 for the same queries: hollow with all neighbors, filled without those left out",
    )
