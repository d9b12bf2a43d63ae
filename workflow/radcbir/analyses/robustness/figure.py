"""The figures of robustness."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.analyses.robustness.compute import ALL
from radcbir.analyses.robustness.kinds import PERTURBATIONS
from radcbir.report.dots import before_and_after, legend_below, legend_height
from radcbir.report.style import STYLE, TWO_COLUMNS, model_styles, size

NOTHING = "no query of the sample can be answered"

WIDEST = 4
"""Panels beside one another."""


def title(perturbation: str) -> str:
    """What a perturbation, or the mean of all, is called."""
    return "all" if perturbation == ALL else PERTURBATIONS[perturbation].title


def areas_figure(
    areas: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Per perturbation the P@1 of the queries as they are (hollow) and the mean over the severities
    (filled).
    """
    shown = areas.assign(shown=areas["perturbation"].map(title))
    return before_and_after(
        shown,
        list(shown["shown"].unique()),
        "shown",
        "before_1",
        "precision_1",
        names,
        controls,
        "P@1: hollow of the queries as they are, filled of the perturbed ones (mean over severities)",
        NOTHING,
    )


def severities_figure(
    table: pd.DataFrame, areas: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """P@1 against the severity, a panel per perturbation and a line per model; severity 0 is the
    query as it is.
    """
    shown = list(table["perturbation"].unique())
    width = max(1, min(WIDEST, len(shown)))
    height = max(1, math.ceil(len(shown) / width))
    styles, labels = model_styles(names, controls), list(names.values())
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            height,
            width,
            figsize=size(TWO_COLUMNS, 8 + 38 * height + legend_height(labels)),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, perturbation in zip(axes.flat, shown, strict=False):
            axis.set_title(title(perturbation))
            for model, name in names.items():
                own = table[(table["model"] == model) & (table["perturbation"] == perturbation)]
                before = areas[(areas["model"] == model) & (areas["perturbation"] == perturbation)]
                if own.empty or before.empty:
                    continue
                own = own.sort_values("severity")
                values = [before["before_1"].iloc[0], *own["precision_1"]]
                axis.plot([0, *own["severity"]], values, label=name, **styles[model])
            axis.set_ylim(-0.03, 1.03)
            axis.set_xticks(range(6))
        for axis in axes.flat[len(shown) :]:
            axis.set_axis_off()
        if not shown:
            axes[0][0].text(0.5, 0.5, NOTHING, ha="center", va="center")
        for axis in axes[-1]:
            axis.set_xlabel("severity")
        for axis in axes[:, 0]:
            axis.set_ylabel("P@1")
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure
