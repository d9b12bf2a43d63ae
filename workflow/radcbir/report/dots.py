"""Shapes that the figures of several analyses share."""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from radcbir.report.style import (
    FADED_INK,
    GRAY,
    INK,
    LINE,
    SMALL_TEXT,
    STYLE,
    TWO_COLUMNS,
    model_styles,
    size,
    widest,
)

NO_ONE_LABEL = "no query has exactly one label and an index image of it"

NO_ANSWER = "no query has an index image of its class"
"""Why a panel of figures about queries is empty."""

FEWEST_SHOWN_FULLY = 5
"""Groups of fewer queries are faded: one query more or less moves their figure by 20 points."""

FADED = 0.3

CHANCE = "random neighbors"
"""What the dark lines of :func:`marked_rows` are called in a legend."""

HIGHEST = 200.0
"""How high rows may become together, in mm, before they are drawn closer: a figure and its caption
have to fit on a page.
"""

LANE = 1.55
"""The height in mm of a model's lane within a row."""


def legend_below(figure: plt.Figure, handles: Sequence, labels: Sequence[str]) -> None:
    """A legend below all panels, in as many columns as the figure is wide."""
    if labels:
        columns = _legend_columns(labels, figure.get_figwidth() * 25.4)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def legend_height(labels: Sequence[str], width: float = TWO_COLUMNS) -> float:
    """The height of :func:`legend_below` in mm."""
    return 2 + LINE * -(-len(labels) // _legend_columns(labels, width)) if labels else 0


def _legend_columns(labels: Sequence[str], width: float) -> int:
    column = widest(labels) + 5.2 * SMALL_TEXT / 72 * 25.4  # line, blanks
    fitting = max(1, int((width - 4) // column))
    return -(-len(labels) // -(-len(labels) // fitting))


def label_ends(
    figure: plt.Figure,
    axis: plt.Axes,
    ends: Mapping[str, float],
    names: Mapping[str, str],
    styles: Mapping[str, Mapping],
) -> None:
    """The models' names right of a panel, beside the ends of their curves, in place of a legend.

    ``ends`` maps models to the last values of their curves. Names that would overlap are moved
    apart as little as possible. Call it when all else is drawn.
    """
    shown = sorted(
        (model for model in names if np.isfinite(ends.get(model, np.nan))),
        key=lambda model: ends[model],
    )
    if not shown:
        return
    figure.draw_without_rendering()  # limits and sizes are known only now
    height = axis.get_window_extent().height / figure.dpi * 25.4
    points = axis.transData.transform([(axis.get_xlim()[1], ends[model]) for model in shown])
    wanted = axis.transAxes.inverted().transform(points)[:, 1]
    gaps = np.arange(len(shown)) * SMALL_TEXT * 1.2 / 72 * 25.4 / height
    places = np.asarray(isotonic_regression(wanted - gaps).x)
    places = np.clip(places, 0, max(0.0, 1 - gaps[-1])) + gaps
    for model, start, place in zip(shown, wanted, places, strict=True):
        style = {**styles[model], "marker": ""}
        axis.plot(
            [1.01, 1.03, 1.09], [start, place, place], transform=axis.transAxes, clip_on=False,
            **style,
        )  # fmt: skip
        axis.plot(1.06, place, transform=axis.transAxes, clip_on=False, **styles[model])
        axis.text(
            1.11, place, names[model], transform=axis.transAxes, va="center", fontsize=SMALL_TEXT
        )


def with_lacking(names: Mapping[str, str], queries: pd.Series) -> dict[str, str]:
    """The names of the models, each with how many queries fewer it answered than another one.

    ``queries`` maps models to the number of queries that they answered.
    """
    lacking = {model: int(queries.max() - queries.get(model, queries.max())) for model in names}
    return {
        model: f"{name} (lacks {lacking[model]:,})" if lacking[model] else name
        for model, name in names.items()
    }


def sentence(axis: plt.Axes, text: str) -> None:
    """A short sentence, in narrow lines, in place of a panel that has nothing to show."""
    axis.text(
        0.5,
        0.5,
        textwrap.fill(text, 22),
        ha="center",
        va="center",
        transform=axis.transAxes,
        color=GRAY,
    )
    axis.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    axis.grid(visible=False)


def sentence_alone(text: str) -> plt.Figure:
    """A figure with nothing but a short sentence."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=size(TWO_COLUMNS, 40), layout="constrained")
        sentence(axis, text)
    return figure


def of_all_neighbors(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of a query split that count every neighbor."""
    return table[(table["neighbors"] == "all") & (table["query_split"] == split)]


def rows_height(rows: int, models: int) -> float:
    """The height in mm of rows in which every model has a lane."""
    lanes = min(2.0 + LANE * models, HIGHEST / max(rows, 1))
    return rows * max(LINE, lanes)


def lane(position: int, models: int) -> float:
    """How far a model's lane is above the middle of a row of height 1. The first model is on top."""
    return 0.4 - (position + 0.5) * 0.8 / max(models, 1)


def in_lanes(
    axis: plt.Axes,
    values: Mapping[str, pd.DataFrame],
    rows: Sequence[str],
    names: Mapping[str, str],
    styles: Mapping[str, Mapping],
    faded: Collection[str] = (),
) -> None:
    """A dot per model in every row, each model in its lane so that none hides another.

    ``values`` has, per model, a frame indexed by row with ``value`` and, where there are intervals,
    ``low`` and ``high``. ``rows`` runs from the bottom to the top. ``faded`` rows are faded.
    """
    for position, (model, name) in enumerate(names.items()):
        style, table = dot(styles[model]), values[model].reindex(list(rows))
        for place, (row, found) in enumerate(table.iterrows()):
            height, alpha = place + lane(position, len(names)), FADED if row in faded else 1.0
            if "low" in found and np.isfinite(found["low"]):
                axis.plot(
                    [found["low"], found["high"]], [height] * 2, color=style["color"],
                    linewidth=0.8, alpha=0.55 * alpha,
                )  # fmt: skip
            axis.plot(found["value"], height, alpha=alpha, **style)
        axis.plot([], [], label=name, **style)
    for border in range(1, len(rows)):
        axis.axhline(border - 0.5, color="#e3e7ec", linewidth=0.5)
    axis.grid(visible=False, axis="y")
    axis.set_ylim(-0.5, max(len(rows), 1) - 0.5)


def marked_rows(
    axis: plt.Axes,
    table: pd.DataFrame,
    key: str,
    rows: list[str],
    column: str,
    names: Mapping[str, str],
    styles: Mapping[str, Mapping],
    faded: Sequence[str] = (),
) -> None:
    """A row per level or group, a lane per model in it, the mean chance level as a dark line across
    the row.
    """
    ends = {column: "value"}
    ends |= {end: end for end in ("low", "high") if column == "value" and end in table}
    of_models = {
        model: table[table["model"] == model].set_index(key)[list(ends)].rename(columns=ends)
        for model in names
    }
    in_lanes(axis, of_models, rows, names, styles, faded)
    chance = table.groupby(key)["chance"].mean().reindex(rows)
    for place, value in enumerate(chance):
        axis.plot([value] * 2, [place - 0.42, place + 0.42], color=INK, linewidth=0.9)
    axis.plot([], [], color=INK, linewidth=0.9, label=CHANCE)


def name_rows(axis: plt.Axes, texts: Sequence[str], faded: Sequence[bool] = ()) -> None:
    """The names of rows from the bottom to the top, those of faded ones in gray."""
    axis.set_yticks(range(len(texts)), texts)
    axis.tick_params(axis="y", length=0)
    for label, is_faded in zip(axis.get_yticklabels(), faded, strict=False):
        label.set_color(FADED_INK if is_faded else INK)


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
    styles = model_styles(names, controls)
    height = 15 + rows_height(max(1, len(groups)), len(names)) + legend_height(list(names.values()))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(splits),
            figsize=size(TWO_COLUMNS, height),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, split in zip(axes[0], splits, strict=True):
            for place, group in enumerate(reversed(groups)):
                rows = table[(table["query_split"] == split) & (table[column] == group)].set_index(
                    "model"
                )
                for position, model in enumerate(names):
                    if model not in rows.index:
                        continue
                    level: Any = place + lane(position, len(names))
                    ends = rows.loc[model, before], rows.loc[model, after]
                    style = dot(styles[model])
                    axis.plot(ends, [level] * 2, color=style["color"], linewidth=0.8, alpha=0.7)
                    axis.plot(ends[0], level, **style | {"markerfacecolor": "white"})
                    axis.plot(ends[1], level, **style)
            for model, name in names.items():  # in their order, whichever rows they have
                if "model" in table and (table["model"] == model).any():
                    axis.plot([], [], label=name, **dot(styles[model]))
            for border in range(1, len(groups)):
                axis.axhline(border - 0.5, color="#e3e7ec", linewidth=0.5)
            name_rows(axis, [group.replace("_", " ") for group in reversed(groups)])
            axis.set_ylim(-0.5, max(len(groups), 1) - 0.5)
            axis.set_xlim(-0.02, 1.02)
            axis.set_title(f"queries: {split}" if split else "")
            axis.set_xlabel(textwrap.fill(legend, 100 // len(splits)))
            axis.grid(visible=False, axis="y")
        if not groups:
            axes[0][0].text(0.5, 0, nothing, ha="center", va="center")
        legend_below(figure, *axes[0][0].get_legend_handles_labels())
    return figure


def dot(style: Mapping) -> dict:
    """The style of a model for a single dot: controls, which have no marker on curves, get a thin
    diamond.
    """
    return {"linestyle": "", "color": style["color"], "marker": style["marker"] or "d"}
