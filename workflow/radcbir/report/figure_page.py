"""The page of a figure: the figure, its caption, and the tables that it shows."""

import base64
import html
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from radcbir.report.render import render

TEMPLATE = "report/templates/figure.html.j2"

LARGEST_EMBEDDED = 500_000
"""Tables of at most so many bytes are part of the page, so that they can be saved from Snakemake's
report too. A larger one is a link to the file beside the page.
"""


def caption(source: str, snakemake: Any) -> str:
    """A caption as HTML: paragraphs, ``**bold**`` and ```code```, all else escaped.

    ``source`` is a template of the report (reStructuredText), ``snakemake`` what it may use:
    ``wildcards`` and ``params``.
    """
    template = jinja2.Template(source, undefined=jinja2.StrictUndefined)
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", template.render(snakemake=snakemake).strip()):
        text = html.escape(" ".join(paragraph.split()))
        text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
        text = re.sub(r"``(.+?)``|`(.+?)`", lambda m: f"<code>{m[1] or m[2]}</code>", text)
        paragraphs.append(f"<p>{text}</p>")
    return "\n".join(paragraphs)


def write_figure_page(
    output: str | Path, title: str, words: str, svg: str | Path, tables: Sequence[str | Path]
) -> None:
    """Write a page that needs no other file. ``words`` is the :func:`caption`; ``svg`` and its PDF lie
    in the folder of ``output``.
    """
    output, svg = Path(output), Path(svg)
    render(
        TEMPLATE,
        output,
        title=title,
        caption=words,
        image=_data(svg, "image/svg+xml"),
        files=[svg.name, svg.with_suffix(".pdf").name],
        tables=[_table(Path(each), output.parent) for each in tables],
    )


def _table(path: Path, folder: Path) -> dict[str, str]:
    """The name of a table, and its address: its content, or where it lies."""
    small = path.stat().st_size <= LARGEST_EMBEDDED
    address = _data(path, "text/csv") if small else os.path.relpath(path, folder)
    return {"name": path.name, "address": str(address), "beside": "" if small else str(path)}


def _data(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
