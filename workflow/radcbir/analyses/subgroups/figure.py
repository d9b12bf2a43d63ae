"""The figure of subgroups."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.dots import before_and_after


def subgroups_figure(
    table: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Per group the P@1 of the others with the same labels (hollow) and its own (filled)."""
    here = table[(table["k"] == 1) & table["difference"].notna()]
    here = here.assign(shown=here["attribute"] + ": " + here["group"].astype(str))
    return before_and_after(
        here,
        list(here["shown"].unique()),
        "shown",
        "others",
        "same_labels",
        names,
        controls,
        "P@1: hollow of all other groups with the same labels, filled of the group",
        "no group can be compared with another one at the same labels",
    )
