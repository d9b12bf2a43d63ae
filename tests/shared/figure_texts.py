"""What can be read in a figure."""

import re
from html import unescape
from pathlib import Path


def figure_texts(path: Path) -> list[str]:
    """The texts of an SVG that matplotlib wrote, as outlines (told by comments) or as text."""
    svg = Path(path).read_text(encoding="utf-8")
    found = re.findall(r"<!-- (.*?) -->|<text[^>]*>(.*?)</text>", svg, flags=re.S)
    return [unescape(outlined or re.sub("<[^>]+>", "", text)) for outlined, text in found]
