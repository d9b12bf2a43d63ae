"""Figures of the intervals and of the differences between models."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np
import pandas as pd

from radcbir.report.dots import of_all_neighbors
from radcbir.report.style import STYLE, model_styles

FOREST = [
    ("P@1", "precision_at_1", "micro"),
    ("macro P@1", "precision_at_1", "macro"),
    ("P@10", "precision_at_10", "micro"),
    ("mAP", "mean_average_precision", "micro"),
]


def forest_plot(
    intervals: pd.DataFrame,
    ranks: pd.DataFrame,
    bounds: pd.DataFrame,
    names: Mapping[str, str],
    controls: Sequence[str],
) -> plt.Figure:
    """Headline metrics with intervals, a row per model, best on top, and how often each ranks first
    by P@1.
    """
    splits, styles = list(intervals["query_split"].unique()), model_styles(list(names), controls)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(FOREST) + 1,
            figsize=(15, 0.9 + len(splits) * (0.9 + 0.34 * len(names))),
            squeeze=False,
            sharey="row",
            layout="constrained",
        )
        for row, split in enumerate(splits):
            here = of_all_neighbors(intervals, split)
            order = _best_last(here, names)
            for axis, (head, metric, average) in zip(axes[row], FOREST, strict=False):
                chosen = here[(here["metric"] == metric) & (here["average"] == average)].set_index(
                    "model"
                )
                for place, model in enumerate(order):
                    value, low, high = chosen.loc[model, ["value", "low", "high"]]
                    color, marker = styles[model]["color"], styles[model]["marker"] or "|"
                    axis.plot(
                        [low, high],
                        [place, place],
                        color=color,
                        linewidth=2.2,
                        solid_capstyle="butt",
                    )
                    axis.plot(value, place, color=color, marker=marker, markersize=7, linestyle="")
                floor = of_all_neighbors(bounds, split)
                floor = floor[
                    (floor["metric"] == metric) & (floor["average"] == average)
                ].set_index("model")["value"]
                axis.axvline(floor["chance"], color="#47505e", linestyle=":", linewidth=1.2)
                axis.set_xlim(left=0)
                axis.set_title(f"{head}, queries: {split}", fontsize=10.5, loc="left")
            first = of_all_neighbors(ranks, split)
            first = first[
                (first["metric"] == "precision_at_1") & (first["average"] == "micro")
            ].set_index("model")
            shares = first["first"].reindex(order)
            axis = axes[row][-1]
            axis.barh(
                range(len(order)),
                shares.fillna(0),
                color=[styles[model]["color"] for model in order],
                height=0.6,
            )
            for place, share in enumerate(shares):
                axis.text(
                    min(share, 0.8) + 0.02 if share < 0.8 else share - 0.02,
                    place,
                    _percent(share),
                    ha="left" if not share >= 0.8 else "right",
                    va="center",
                    fontsize=9,
                    color="#fff" if share >= 0.8 else "#1c2430",
                )
            axis.set_xlim(0, 1)
            axis.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
            axis.set_title("first by P@1", fontsize=10.5, loc="left")
            axes[row][0].set_yticks(range(len(order)), [names[model] for model in order])
            axes[row][0].set_ylim(-0.6, len(order) - 0.4)
    return figure


def difference_matrix(differences: pd.DataFrame, names: Mapping[str, str]) -> plt.Figure:
    """Row model minus column model in P@1, micro and macro; bold with a frame where the interval
    leaves 0 out.
    """
    splits, models = list(differences["query_split"].unique()), list(names)
    side = max(3.2, 0.75 * len(models))
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(
            max(1, len(splits)),
            2,
            figsize=(2 * side + 3.5, max(1, len(splits)) * (side + 0.9)),
            squeeze=False,
            layout="constrained",
        )
        if len(models) == 1:
            for axis in axes.ravel():
                axis.text(0.5, 0.5, "one model: nothing to compare", ha="center")
                axis.set_axis_off()
            return figure
        chosen = differences[
            (differences["metric"] == "precision_at_1") & (differences["neighbors"] == "all")
        ]
        largest = max(float(chosen["difference"].abs().max()), 1e-9)
        for row, split in enumerate(splits):
            for axis, average in zip(axes[row], ("micro", "macro"), strict=True):
                pairs = chosen[(chosen["query_split"] == split) & (chosen["average"] == average)]
                matrix = np.full((len(models), len(models)), np.nan)
                for pair in pairs.itertuples():
                    one, other = models.index(pair.model), models.index(pair.other)
                    matrix[one, other], matrix[other, one] = pair.difference, -pair.difference
                    for place, value in (
                        ((one, other), pair.difference),
                        ((other, one), -pair.difference),
                    ):
                        sure = bool(pair.distinguishable)
                        axis.text(
                            place[1],
                            place[0],
                            f"{100 * value:+.1f}",
                            ha="center",
                            va="center",
                            fontsize=9,
                            color="#fff" if abs(value) > 0.6 * largest else "#1c2430",
                            fontweight="bold" if sure else "normal",
                        )
                        if sure:
                            corner = (place[1] - 0.46, place[0] - 0.46)
                            axis.add_patch(
                                plt.Rectangle(corner, 0.92, 0.92, fill=False, edgecolor="#1c2430")
                            )
                axis.imshow(matrix, cmap="PuOr_r", vmin=-largest, vmax=largest)
                axis.set_xticks(range(len(models)), names.values(), rotation=35, ha="right")
                axis.set_yticks(range(len(models)), names.values())
                axis.spines[:].set_visible(False)
                title = f"P@1 ({average}), queries: {split}"
                axis.set_title(title, fontsize=10.5, loc="left")
        figure.suptitle(
            "row minus column, percentage points; framed: the 95 % interval leaves 0 out",
            fontsize=10.5,
        )
    return figure


def _best_last(table: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """The models by micro P@1, the best last (it is drawn on top)."""
    first = table[(table["metric"] == "precision_at_1") & (table["average"] == "micro")].set_index(
        "model"
    )["value"]
    return sorted(
        names,
        key=lambda model: first.get(model, np.nan) if first.get(model) == first.get(model) else -1,
    )


def _percent(share: float) -> str:
    if not np.isfinite(share):
        return "–"
    return f"{100 * share:.0f} %" if share >= 0.005 or share == 0 else "< 1 %"
