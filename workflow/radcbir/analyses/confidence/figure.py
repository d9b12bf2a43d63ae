"""Figures of chances: reliability, what is left wrong when the least sure hits are not shown, and how
many hits it takes.
"""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import matplotlib.ticker
import pandas as pd

from radcbir.report.dots import label_ends, sentence
from radcbir.report.style import COLORS, GRAY, STYLE, TWO_COLUMNS, model_styles, size

WIDEST = 4
"""Panels beside one another."""


def reliability_figure(
    table: pd.DataFrame, measures: pd.DataFrame, names: Mapping[str, str]
) -> plt.Figure:
    """The share of right hits against their chance, a panel per model; a marker's area is the share of
    hits. A sentence where there is no chance.
    """
    width = min(WIDEST, len(names))
    height = math.ceil(len(names) / width)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            height,
            width,
            figsize=size(TWO_COLUMNS, 8 + 48 * height),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, (model, name) in zip(axes.flat, names.items(), strict=False):
            own = measures[measures["model"] == model]
            axis.set_title(f"{name}\n{_quality(own)}")
            axis.set_xlim(-0.03, 1.03)
            axis.set_ylim(-0.03, 1.03)
            part = table[(table["model"] == model) & (table["queries"] > 0)]
            if part.empty:
                sentence(axis, str(own["remark"].iloc[0]))
                continue
            axis.plot([0, 1], [0, 1], color=GRAY, linewidth=0.8, linestyle=":")
            axis.plot(part["confidence"], part["accuracy"], color=COLORS[0], alpha=0.35)
            area = 2 + 90 * part["queries"] / part["queries"].sum()
            axis.scatter(part["confidence"], part["accuracy"], s=area, color=COLORS[0], alpha=0.8)
        for axis in axes.flat[len(names) :]:
            axis.set_axis_off()
        figure.supxlabel("chance that a hit is right")
        figure.supylabel("share of hits that are right")
    return figure


def _quality(own: pd.DataFrame) -> str:
    """ECE and AUC of the chosen fit, in words."""
    chosen = own[own["chosen"].astype(bool)].set_index("measure")["value"]
    return "" if chosen.empty else f"ECE {chosen['ece']:.3f}, AUC {chosen['auc']:.2f}"


def risk_coverage_figure(
    risk: pd.DataFrame,
    first_right: pd.DataFrame,
    sets: pd.DataFrame,
    names: Mapping[str, str],
    controls: Sequence[str],
) -> plt.Figure:
    """Left the share of wrong hits among the surest, right the share of queries with a right hit among
    the first k; a line per model. A ring marks the k that is enough.
    """
    styles = model_styles(names, controls)
    percent = matplotlib.ticker.PercentFormatter(1, symbol=" %")
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(
            1,
            2,
            figsize=size(TWO_COLUMNS, 16 + max(46.0, 3.2 * len(names))),
            layout="constrained",
        )
        ends = {}
        for model in names:
            style = styles[model] | {"marker": ""}
            curve = risk[risk["model"] == model]
            if len(curve):
                left.plot(curve["coverage"], curve["risk"], **style)
            curve = first_right[first_right["model"] == model]
            right.plot(curve["k"], curve["share"], **style)
            ends[model] = float(curve["share"].iloc[-1]) if len(curve) else float("nan")
            for k in sets.loc[sets["model"] == model, "size"].astype(float).dropna():
                at = curve.loc[curve["k"] == k, "share"]
                ring = {"color": "white", "mec": style["color"], "markersize": 5}
                right.plot([k], at, "o", **ring)
        left.set_title("wrong hits among the surest")
        left.set_xlabel("share of hits that is shown, surest first")
        left.set_ylabel("share of these that is wrong")
        if risk.empty:
            sentence(left, "no model has a fit: the page says why")
        right.set_title("queries with a right hit among the first k")
        right.set_xlabel("k")
        right.set_ylabel("mean over patients")
        right.axhline(1 - float(sets["alpha"].iloc[0]), color=GRAY, linestyle=":", linewidth=0.8)
        if len(first_right):
            right.set_xlim(left=1)
        for axis in (left, right):
            axis.set_ylim(-0.02, 1.02)
            axis.yaxis.set_major_formatter(percent)
        left.set_xlim(0, 1.02)
        left.xaxis.set_major_formatter(percent)
        label_ends(figure, right, ends, names, styles)
    return figure
