"""The figure of shortcuts."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.dots import before_and_after


def shortcuts_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Per attribute, chance (hollow) and P@1 (filled) of every model: the way from one to the other
    is what it sees.
    """
    attributes = list(table["attribute"].unique())
    return before_and_after(
        table,
        attributes,
        "attribute",
        "chance",
        "precision_at_1",
        names,
        controls,
        "hollow: a random index image shares it; filled: the nearest neighbor shares it",
    )
