"""Self-contained HTML pages from templates. Every value is escaped."""

from pathlib import Path

import jinja2

from radcbir.core.files import write_text

TEMPLATES = Path(__file__).parents[1]
"""Templates are named by their path below the library's folder."""


def render(template: str, output: str | Path, **context: object) -> None:
    """Fill a Jinja template (autoescaped) and write the page atomically."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    write_text(output, environment.get_template(template).render(**context))
