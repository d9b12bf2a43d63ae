"""The figure of gains."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.dots import before_and_after

METRICS = {"precision_at_1": "P@1", "mean_average_precision": "mAP"}

ASKED = {"": "", "label": ", label not in the fit", "dataset": ", dataset not in the fit"}


def without_own_patient(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that leave the query's own patient out, in splits in which patients are known; else
    those of all neighbors.
    """
    known = table.loc[table["neighbors"] == "other_patients", "query_split"].unique()
    wanted = table["query_split"].isin(known).map({True: "other_patients", False: "all"})
    return table[table["neighbors"] == wanted]


def gains_figure(
    gains: pd.DataFrame,
    left_out: pd.DataFrame,
    names: Mapping[str, str],
    controls: Sequence[str],
) -> plt.Figure:
    """Per model a line from its base (hollow) to itself (filled): P@1 and mAP of all queries, then
    of those whose label, or dataset, was no part of the fit.
    """
    shown = without_own_patient(pd.concat([gains.assign(left_out=""), left_out], ignore_index=True))
    rows = shown["metric"].map(METRICS) + shown["left_out"].map(ASKED)
    groups = [
        metric + asked
        for asked in ASKED.values()
        for metric in METRICS.values()
        if (rows == metric + asked).any()
    ]
    return before_and_after(
        shown.assign(shown=rows),
        groups,
        "shown",
        "base_value",
        "value",
        names,
        controls,
        "hollow: the model that it is made from; filled: the adapted or reranked model",
    )
