"""The figure of what vectors tell: originals beside what is decoded, and bars against chance."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from radcbir.analyses.privacy.small_images import SIDE
from radcbir.report.dots import legend_below, sentence
from radcbir.report.style import COLORS, GRAY, INK, SMALL_TEXT, STYLE, TWO_COLUMNS, size

SHOWN = (("median", "original", "typical:\noriginal"), ("median", "decoded", "from its\nvector"),
         ("best", "original", "best:\noriginal"), ("best", "decoded", "from its\nvector"))  # fmt: skip
"""The kind of example, which of its images, and the head of the column."""

ROW = 15.0
"""The height of a model in mm."""

BAR = 0.24


def privacy_figure(
    decoded: pd.DataFrame,
    found: pd.DataFrame,
    examples: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
) -> plt.Figure:
    """A row per model: two examples with their originals, how alike decoded images are, and how often
    a patient is found again.

    ``decoded`` and ``found`` are the tables of all models of one query split, ``examples`` the
    examples of each model.
    """
    models = list(names)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=size(TWO_COLUMNS, 24 + ROW * len(models)), layout="constrained")
        grid = figure.add_gridspec(
            len(models), len(SHOWN) + 2, width_ratios=[1] * len(SHOWN) + [3, 3]
        )
        for row, model in enumerate(models):
            for column, (kind, which, head) in enumerate(SHOWN):
                axis = figure.add_subplot(grid[row, column])
                _image(axis, examples[model], kind, which)
                if row == 0:
                    axis.set_title(head, fontsize=SMALL_TEXT, loc="center")
                if column == 0:
                    axis.set_ylabel(
                        names[model], rotation=0, ha="right", va="center", fontsize=SMALL_TEXT
                    )
        alike = figure.add_subplot(grid[:, len(SHOWN)])
        again = figure.add_subplot(grid[:, len(SHOWN) + 1])
        of_decoded, of_found = (
            each.set_index("model").reindex(models) for each in (decoded, found)
        )
        bars = {
            "what is measured": ("ssim", COLORS[0]),
            "the mean image": ("mean_image", "#9aa3af"),
            "chance: another image, any patient": ("random_image", "#d3d8de"),
        }
        handles = [
            alike.barh(
                np.arange(len(models)) + BAR * (place - 1), of_decoded[column], BAR, color=color
            )
            for place, (column, color) in enumerate(bars.values())
        ]
        _whiskers(alike, of_decoded, np.arange(len(models)) - BAR, "ssim")
        again.barh(np.arange(len(models)) - BAR / 2, of_found["recall_at_1"], BAR, color=COLORS[0])
        again.barh(np.arange(len(models)) + BAR / 2, of_found["chance"], BAR, color="#d3d8de")
        _whiskers(again, of_found, np.arange(len(models)) - BAR / 2, "recall_at_1")
        alike.set_title("image from the vector:\nlikeness to the original")
        alike.set_xlabel("similarity (SSIM), 1: the same")
        again.set_title(f"{_nearest(found)}:\nof the same patient")
        again.set_xlabel("share of images")
        for axis, values in ((alike, of_decoded["ssim"]), (again, of_found["recall_at_1"])):
            axis.set_ylim(len(models) - 0.5, -0.5)
            axis.set_xlim(0, 1)
            axis.set_xticks([0, 0.5, 1])
            axis.set_yticks([])
            if values.isna().all():
                sentence(axis, "nothing can be said: the page says why")
        legend_below(figure, handles, list(bars))
    return figure


def _nearest(found: pd.DataFrame) -> str:
    return "nearest in another study" if (found["unit"] == "study").any() else "nearest other image"


def _image(axis: plt.Axes, examples: pd.DataFrame, kind: str, which: str) -> None:
    """One small image, or an empty frame."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    for side in axis.spines.values():
        side.set_visible(True)
        side.set_color(GRAY)
    here = examples[examples["kind"] == kind]
    if here.empty:
        axis.set_facecolor("#eef0f3")
        return
    pixels = np.frombuffer(here[which].iloc[0], dtype=np.uint8).reshape(SIDE, SIDE)
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if which == "decoded":
        axis.set_xlabel(f"{here['ssim'].iloc[0]:.2f}", fontsize=SMALL_TEXT, color=INK, labelpad=1)


def _whiskers(axis: plt.Axes, table: pd.DataFrame, places: np.ndarray, column: str) -> None:
    """The 95 % intervals, where there are any."""
    known = table["low"].notna().to_numpy()
    low, high = table["low"].to_numpy(float)[known], table["high"].to_numpy(float)[known]
    axis.hlines(places[known], low, high, color=INK, linewidth=0.8)
