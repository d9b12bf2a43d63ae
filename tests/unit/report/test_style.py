"""Figures are the same bytes on every machine."""

import subprocess
import sys

import pytest

CODE = """
import sys
from matplotlib import font_manager
if {other}:  # another font of the name that matplotlib's own has, as systems have one
    stix = font_manager.findfont("STIXGeneral")
    fake = font_manager.FontEntry(fname={place!r}, name="DejaVu Sans", style="normal", weight=400,
                                  variant="normal", stretch="normal", size="scalable")
    open({place!r}, "wb").write(open(stix, "rb").read())
    font_manager.fontManager.ttflist.insert(0, fake)
import matplotlib.pyplot as plt
from radcbir.report import style
with plt.rc_context(style.STYLE):
    figure, axes = plt.subplots()
    axes.set_title("Precision at k, $\\\\alpha$")
style.save(figure, {figure!r})
"""


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_fonts_of_the_system_change_no_figure(tmp_path, suffix):
    figures = []
    for other in (False, True):
        figure = str(tmp_path / f"{other}.{suffix}")
        place = str(tmp_path / "DejaVuSans.ttf")
        code = CODE.format(other=other, place=place, figure=figure)
        path = f"import sys; sys.path[:0] = {sys.path!r}\n"
        subprocess.run([sys.executable, "-c", path + code], check=True)
        figures.append((tmp_path / f"{other}.{suffix}").read_bytes())
    assert figures[0] == figures[1]
