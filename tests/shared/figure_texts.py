"""What can be read in a figure, and whether it can be printed."""

import re
from html import unescape
from pathlib import Path

MM = 72 / 25.4
"""Points, which are the units of matplotlib's SVG files."""


def figure_texts(path: Path) -> list[str]:
    """The texts of an SVG that matplotlib wrote, as outlines (told by comments) or as text."""
    svg = Path(path).read_text(encoding="utf-8")
    found = re.findall(r"<!-- (.*?) -->|<text[^>]*>(.*?)</text>", svg, flags=re.S)
    return [unescape(outlined or re.sub("<[^>]+>", "", text)) for outlined, text in found]


def unfit_for_print(path: Path) -> list[str]:
    """What a journal would send a figure back for: another width than one or two columns, text
    smaller than 6 points or as outlines, a hyphen as a minus sign."""
    svg = Path(path).read_text(encoding="utf-8")
    width = float(re.search(r'<svg [^>]*width="([0-9.]+)pt"', svg)[1]) / MM
    faults = [] if round(width, 2) in (89, 183) else [f"{width:.1f} mm wide"]
    if "<!-- " in svg:
        faults.append("text as outlines")
    sizes = [float(each) for each in re.findall(r"font(?:-size)?: [^;\"]*?([0-9.]+)px", svg)]
    faults += [] if sizes else ["no text"]
    faults += [f"text of {each} points" for each in sizes if each < 6]
    faults += [
        each for each in figure_texts(path) if re.search(r"(?<![\w.])-[0-9]|[-−]0\.0+$", each)
    ]
    return faults


def figures_unfit_for_print(results: Path) -> dict[str, list[str]]:
    """The figures of a finished run that cannot be printed, with the reasons; they have to be there
    as SVG and as PDF with fonts that can be edited."""
    figures = sorted(Path(results).rglob("*.svg"))
    assert figures
    found = {each.name: unfit_for_print(each) for each in figures}
    for each in figures:
        pdf = each.with_suffix(".pdf").read_bytes()
        if b"/Type3" in pdf or b"/FontFile2" not in pdf:
            found[each.name].append("PDF without TrueType fonts")
    return {name: faults for name, faults in found.items() if faults}
