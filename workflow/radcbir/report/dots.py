"""Shapes that the figures of several analyses share."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from radcbir.report.style import STYLE, model_styles

NO_ANSWER = "no query has an index image of its class"
"""Why a panel of figures about queries is empty."""


def legend_on_the_right(figure: plt.Figure, axis: plt.Axes) -> None:
    """The legend of one panel, beside all panels."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")


def sentence(axis: plt.Axes, text: str) -> None:
    """A sentence in place of a panel that has nothing to show."""
    axis.text(
        0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, fontsize=9.5, wrap=True
    )
    axis.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    axis.grid(visible=False)


def of_all_neighbors(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of a query split that count every neighbor."""
    return table[(table["neighbors"] == "all") & (table["query_split"] == split)]


def before_and_after(
    table: pd.DataFrame,
    groups: Sequence[str],
    column: str,
    before: str,
    after: str,
    names: Mapping[str, str],
    controls: Sequence[str],
    legend: str,
    nothing: str = "nothing is known that could be left out",
) -> plt.Figure:
    """A panel per query split: in each group a line per model from ``before`` (hollow) to ``after``
    (filled). ``nothing`` is the sentence of a panel without groups.
    """
    splits = list(table["query_split"].unique()) or [""]
    styles = model_styles(list(names), controls)
    step = 0.8 / max(len(names), 1)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(splits),
            figsize=(4 + 5.5 * len(splits), 1.4 + max(1, len(groups)) * (0.35 + 0.17 * len(names))),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, split in zip(axes[0], splits, strict=True):
            for place, group in enumerate(reversed(groups)):
                rows = table[(table["query_split"] == split) & (table[column] == group)].set_index(
                    "model"
                )
                for position, (model, name) in enumerate(names.items()):
                    if model not in rows.index:
                        continue
                    height = place + 0.4 - (position + 0.5) * step
                    ends = rows.loc[model, before], rows.loc[model, after]
                    style = dot(styles[model])
                    axis.plot(ends, [height] * 2, color=style["color"], linewidth=1.2, alpha=0.7)
                    hollow = style | {"markerfacecolor": "white"}
                    axis.plot(ends[0], height, markersize=6, **hollow)
                    axis.plot(
                        ends[1], height, markersize=6, label=name if place == 0 else None, **style
                    )
            axis.set_yticks(
                range(len(groups)), [group.replace("_", " ") for group in reversed(groups)]
            )
            axis.set_ylim(-0.6, max(len(groups), 1) - 0.4)
            axis.set_xlim(-0.02, 1.02)
            axis.set_title(f"queries: {split}" if split else "", fontsize=10.5, loc="left")
            axis.set_xlabel(legend, fontsize=9)
            axis.grid(visible=False, axis="y")
        if not groups:
            axes[0][0].text(0.5, 0, nothing, ha="center", va="center")
        handles, labels = axes[0][0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside right center")
    return figure


def dot(style: Mapping) -> dict:
    """The style of a model for a single dot: controls, which have no marker on curves, get a thin
    diamond.
    """
    return {"linestyle": "", "color": style["color"], "marker": style["marker"] or "d"}
