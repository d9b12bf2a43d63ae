"""Self-contained HTML pages from templates. Every value is escaped."""

from pathlib import Path

import jinja2

from radcbir.core.files import write_text


def render(template: str | Path, output: str | Path, **context: object) -> None:
    """Fill a Jinja template (autoescaped) and write the page atomically."""
    template = Path(template)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    write_text(output, environment.get_template(template.name).render(**context))
