"""Figures of the intervals and of the differences between models."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np
import pandas as pd

from radcbir.metrics.intervals import FEWEST_FOR_VERDICT
from radcbir.report.dots import NO_ANSWER, of_all_neighbors, sentence
from radcbir.report.numbers import fixed, signed
from radcbir.report.style import (
    GRAY,
    INK,
    LINE,
    SMALL_TEXT,
    SMALLEST_TEXT,
    STYLE,
    TWO_COLUMNS,
    model_styles,
    size,
    widest,
)

FOREST = [
    ("P@1", "precision_at_1", "micro"),
    ("macro P@1", "precision_at_1", "macro"),
    ("P@10", "precision_at_10", "micro"),
    ("mAP", "mean_average_precision", "micro"),
]


NARROWEST_CELL = 6.2
"""In mm: a number such as −51.2 in the smallest text, and a little space."""

ONE_MODEL = "one model: nothing to compare"
FEW_PATIENTS = f"fewer than {FEWEST_FOR_VERDICT} effective patients: no ranks, no verdicts"


def forest_plot(
    intervals: pd.DataFrame,
    ranks: pd.DataFrame,
    bounds: pd.DataFrame,
    names: Mapping[str, str],
    controls: Sequence[str],
) -> plt.Figure:
    """Headline metrics with intervals, a row per model, best on top, and how often each ranks first
    by P@1.

    All is of the queries that every model answered; a hollow marker shows the average over all that
    a model answered, where these are more.
    """
    drawn = intervals.loc[intervals["value"].notna(), "metric"].unique()
    forest = [each for each in FOREST if each[1] in drawn] or FOREST
    splits, styles = list(intervals["query_split"].unique()), model_styles(names, controls)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(splits),
            len(forest) + 1,
            figsize=size(TWO_COLUMNS, len(splits) * (18 + 1.5 * LINE * len(names))),
            squeeze=False,
            sharey="row",
            layout="constrained",
        )
        for row, split in enumerate(splits):
            here = of_all_neighbors(intervals, split)
            order = _best_last(here, names)
            floor = of_all_neighbors(bounds, split)
            axes[row][0].set_ylim(-0.6, len(order) - 0.4)
            for axis, (head, metric, average) in zip(axes[row], forest, strict=False):
                axis.set_title(f"{head}\nqueries: {split}")
                _forest(
                    axis, _figure(here, metric, average), _figure(floor, metric, average), order,
                    styles,
                )  # fmt: skip
            axis = axes[row][-1]
            axis.set_title("how often first\nby P@1")
            first = _figure(of_all_neighbors(ranks, split), "precision_at_1", "micro")
            _shares(axis, first["first"].reindex(order), styles)
            own = _figure(here, "precision_at_1", "micro")["lacking_queries"]
            lacks = [f"  (lacks {own[model]:,})" if own[model] else "" for model in order]
            axes[row][0].set_yticks(
                range(len(order)),
                [names[model] + lack for model, lack in zip(order, lacks, strict=True)],
            )
            axes[row][0].tick_params(labelleft=True)
    return figure


def _figure(table: pd.DataFrame, metric: str, average: str) -> pd.DataFrame:
    """The rows of one metric and average, by model."""
    chosen = (table["metric"] == metric) & (table["average"] == average)
    return table[chosen].set_index("model")


def _forest(
    axis: plt.Axes,
    chosen: pd.DataFrame,
    floor: pd.DataFrame,
    order: Sequence[str],
    styles: Mapping[str, Mapping],
) -> None:
    """One panel: a value, its interval and what random neighbors reach."""
    if chosen["common_value"].isna().all():
        sentence(axis, NO_ANSWER if chosen["value"].isna().all() else "no query in common")
        return
    for place, model in enumerate(order):
        row: Any = chosen.loc[model]
        value, low, high, own = row[["common_value", "common_low", "common_high", "value"]]
        color, marker = styles[model]["color"], styles[model]["marker"] or "d"
        axis.plot([low, high], [place, place], color=color, linewidth=1.4, solid_capstyle="butt")
        axis.plot(value, place, color=color, marker=marker, markersize=4, linestyle="")
        if row["queries"] != row["common_queries"]:
            hollow: dict[str, Any] = {"markerfacecolor": "white", "markersize": 3, "marker": marker}
            axis.plot(own, place - 0.25, color=color, linestyle="", **hollow)
    chance: Any = floor.loc["chance", "value"]
    axis.axvline(chance, color=GRAY, linestyle=":", linewidth=0.8)
    axis.set_xlim(left=0)
    effective = chosen["effective_clusters"].iloc[0]
    unit = "images" if chosen["resampled"].iloc[0] == "image" else "patients"
    axis.set_xlabel(f"{fixed(effective, 1)} effective {unit}", fontsize=SMALL_TEXT)


def _shares(axis: plt.Axes, shares: pd.Series, styles: Mapping[str, Mapping]) -> None:
    """The panel of shares of first ranks."""
    if len(shares) == 1 or shares.isna().all():
        sentence(axis, ONE_MODEL if len(shares) == 1 else FEW_PATIENTS)
        return
    axis.barh(
        range(len(shares)), shares, color=[styles[each]["color"] for each in shares.index],
        height=0.6,
    )  # fmt: skip
    for place, share in enumerate(shares):
        axis.text(
            min(share, 0.8) + 0.02 if share < 0.8 else share - 0.02,
            place,
            _percent(share),
            ha="left" if share < 0.8 else "right",
            va="center",
            fontsize=SMALL_TEXT,
            color="#fff" if share >= 0.8 else INK,
        )
    axis.set_xlim(0, 1)
    axis.xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, symbol=" %"))


def difference_matrix(
    differences: pd.DataFrame, names: Mapping[str, str], controls: Sequence[str]
) -> plt.Figure:
    """Row model minus column model in P@1, micro and macro; bold with a frame where the two differ,
    adjusted for all pairs.

    The colors run over the differences between models that are no controls. A difference from a
    control is often many times as large, and would leave all others white. With many models, micro
    stands above macro; with more than fit a page, the cells have no numbers.
    """
    splits, models = list(differences["query_split"].unique()), list(names)
    panels = [(split, average) for split in splits or [""] for average in ("micro", "macro")]
    labels = widest(names.values())
    columns, side = 2, (TWO_COLUMNS - labels) / 2
    if side < NARROWEST_CELL * len(models):
        columns, side = 1, TWO_COLUMNS - labels
    with_numbers = side >= NARROWEST_CELL * len(models)
    rows = len(panels) // columns
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(
            rows,
            columns,
            # Square cells, slanted names below.
            figsize=size(TWO_COLUMNS, 6 + rows * (side + 0.4 * labels + 6)),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        if len(models) == 1:
            for axis in axes.ravel():
                axis.text(0.5, 0.5, ONE_MODEL, ha="center")
                axis.set_axis_off()
            return figure
        chosen = differences[
            (differences["metric"] == "precision_at_1") & (differences["neighbors"] == "all")
        ]
        learned = chosen[~chosen["model"].isin(controls) & ~chosen["other"].isin(controls)]
        largest = max(
            float((learned if len(learned) else chosen)["difference"].abs().fillna(0).max()), 1e-9
        )
        for axis, (split, average) in zip(axes.flat, panels, strict=True):
            pairs = chosen[(chosen["query_split"] == split) & (chosen["average"] == average)]
            axis.set_title(f"P@1 ({average}), queries: {split}")
            axis.spines[:].set_visible(False)
            if pairs["difference"].isna().all():
                sentence(axis, "no query in common")
                continue
            _matrix(axis, pairs, models, largest, with_numbers)
            axis.set_xticks(
                range(len(models)),
                names.values(),
                rotation=35,
                ha="right",
                rotation_mode="anchor",
            )
            axis.set_yticks(range(len(models)), names.values())
            if (pairs["verdict"] == "too few patients").any():
                axis.set_xlabel(FEW_PATIENTS)
        figure.suptitle(
            "row minus column, percentage points; framed: the two differ, adjusted for all pairs"
        )
    return figure


def _matrix(
    axis: plt.Axes, pairs: pd.DataFrame, models: list[str], largest: float, with_numbers: bool
) -> None:
    """The differences of one average, both ways round."""
    matrix = np.full((len(models), len(models)), np.nan)
    pair: Any
    for pair in pairs.itertuples():
        one, other = models.index(pair.model), models.index(pair.other)
        sure = pair.verdict in ("better", "worse")
        for place, value in (((one, other), pair.difference), ((other, one), -pair.difference)):
            matrix[place] = value
            if with_numbers:
                axis.text(
                    place[1],
                    place[0],
                    signed(100 * value, 1),
                    ha="center",
                    va="center",
                    fontsize=SMALLEST_TEXT,
                    color="#fff" if abs(value) > 0.6 * largest else INK,
                    fontweight="bold" if sure else "normal",
                )
            if sure:
                corner = (place[1] - 0.46, place[0] - 0.46)
                axis.add_patch(plt.Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=INK))
    axis.imshow(matrix, cmap="PuOr_r", vmin=-largest, vmax=largest)


def _best_last(table: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """The models by micro P@1 over common queries, the best last (it is drawn on top)."""
    first = _figure(table, "precision_at_1", "micro")["common_value"].fillna(-1)
    return sorted(names, key=lambda model: first.get(model, -1))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 or share == 0 else "< 1 %"
