"""The style of all figures, and how they are saved: the same bytes from the same numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import matplotlib.pyplot as plt
from matplotlib import font_manager

from radcbir.core.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # older releases lack it

matplotlib.use("Agg")

# Fonts of the system differ from machine to machine, those of the same name too.
for _fonts in (font_manager.fontManager.ttflist, font_manager.fontManager.afmlist):
    _fonts[:] = [each for each in _fonts if each.fname.startswith(matplotlib.get_data_path())]


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
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e7ec",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def model_styles(models: Sequence[str], controls: Sequence[str]) -> dict[str, dict]:
    """Line style per model: a color and marker by its place in the configuration, gray and dashed
    for controls.
    """
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


def save(figure: plt.Figure, *paths: str | Path) -> None:
    """Write a figure to each path atomically, in the format of its suffix, without dates; then
    close it.
    """
    for path in map(Path, paths):
        with atomic_write(path) as part, plt.rc_context(STYLE):
            date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(path.suffix[1:], {})
            figure.savefig(part, metadata=date)
    plt.close(figure)
