"""The style of all figures, and how they are saved: the same bytes from the same numbers.

Figures have the width of one or of two columns of a journal, and no text is smaller than journals
allow. They are drawn at the size at which they are printed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from matplotlib.ticker import LogLocator

from radcbir.core.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # older releases lack it

matplotlib.use("Agg")

# Fonts of the system differ from machine to machine, those of the same name too.
for _fonts in (font_manager.fontManager.ttflist, font_manager.fontManager.afmlist):
    _fonts[:] = [each for each in _fonts if each.fname.startswith(matplotlib.get_data_path())]


ONE_COLUMN, TWO_COLUMNS = 89.0, 183.0
"""Widths of figures in mm: one column and two columns of a page of most journals."""

SMALLEST_TEXT = 6.0
"""In points: what most journals allow."""

TEXT = 7.0
"""The size of text in points."""

SMALL_TEXT = 6.5
"""The size of ticks, legends and numbers in cells, in points."""

LINE = TEXT * 1.25 / 72 * 25.4
"""The height of a line of text in mm."""

INK, GRAY, FADED_INK = "#1c2430", "#6b7480", "#9aa3af"
"""The colors of text, of text that is to be seen last, and of names of faded rows."""

# Okabe & Ito's palette, distinct with any color vision. Without the yellow, which is too light on
# white.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]

MARKERS = ["o", "s", "^", "D", "v", "P", "X"]

CONTROL_COLORS = ["#8a8f98", "#b3b8bf", "#6b7078"]

CONTROL_DASHES = ["--", ":", "-."]

STYLE: "dict[RcKeyType, object]" = {
    "svg.hashsalt": "radcbir",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    # Text stays text: it can be searched, copied, and edited for a paper.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "mathtext.fontset": "dejavusans",
    "font.size": TEXT,
    "text.color": INK,
    "axes.titlesize": TEXT,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.labelsize": TEXT,
    "axes.labelpad": 2.5,
    "xtick.labelsize": SMALL_TEXT,
    "ytick.labelsize": SMALL_TEXT,
    "legend.fontsize": SMALL_TEXT,
    "figure.titlesize": TEXT,
    "figure.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.width": 0.4,
    "xtick.minor.size": 1.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.7,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": "#e3e7ec",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


def size(width: float, height: float) -> tuple[float, float]:
    """Width and height in mm -> matplotlib's inches."""
    return width / 25.4, height / 25.4


def text_width(text: str, points: float = SMALL_TEXT) -> float:
    """How wide a text is in mm. It may have several lines."""
    font = FontProperties(family="DejaVu Sans")
    lines = [TextPath((0, 0), each, size=points, prop=font) for each in text.split("\n")]
    return max(float(each.get_extents().width) if len(each) else 0.0 for each in lines) / 72 * 25.4


def widest(texts: Iterable[str], points: float = SMALL_TEXT) -> float:
    """The width in mm of the widest of some texts."""
    return max((text_width(each, points) for each in texts), default=0.0)


def model_styles(models: Iterable[str], controls: Sequence[str]) -> dict[str, dict]:
    """Line style per model: a color and marker by its place in the configuration, gray and dashed
    for controls.

    ``models`` stand in the order of the configuration, or say what it is
    (:class:`~radcbir.cards.model_card.ModelNames`).
    """
    models = getattr(models, "configured", models)
    styles, learned, gray = {}, 0, 0
    for model in models:
        if model in controls:
            color, dashes = (
                CONTROL_COLORS[gray % len(CONTROL_COLORS)],
                CONTROL_DASHES[gray % len(CONTROL_DASHES)],
            )
            styles[model] = {"color": color, "linestyle": dashes, "marker": ""}
            gray += 1
        else:
            styles[model] = {
                "color": COLORS[learned % len(COLORS)],
                "linestyle": "-",
                "marker": MARKERS[(learned + learned // len(COLORS)) % len(MARKERS)],
            }
            learned += 1
    return styles


def log_axis_of_counts(axis: plt.Axes, marks: Sequence[int]) -> None:
    """A logarithmic x axis with plain numbers at these multiples of each power of ten.

    matplotlib's own choice has exponents, and on a short axis more of them, which are too small to
    print.
    """
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=marks))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.minorticks_off()


def save(figure: plt.Figure, *paths: str | Path) -> None:
    """Write a figure to each path atomically, in the format of its suffix, without dates; then
    close it.
    """
    for path in map(Path, paths):
        with atomic_write(path) as part, plt.rc_context(STYLE):
            date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(path.suffix[1:], {})
            figure.savefig(part, metadata=date)
        figure.set_layout_engine("none")  # where things are is found once, for all formats
    plt.close(figure)
