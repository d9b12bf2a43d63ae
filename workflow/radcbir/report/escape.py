"""Text of the user's that becomes part of Snakemake's report."""

import json
import sys
from types import SimpleNamespace
from typing import Any


def escape_report() -> None:
    """Let no text end the scripts of Snakemake's report.

    Snakemake (9.27) writes parameters, labels, captions and configuration files as JSON between
    script tags as they are: ``</script>`` in a model card would end the script and begin another.
    In JSON, a backslash and ``u003c`` mean the same as ``<``.
    """
    for name, part in list(sys.modules.items()):
        if name.startswith("snakemake.report.html_reporter") and hasattr(part, "json"):
            part.json = SimpleNamespace(dumps=_escaped)  # type: ignore[attr-defined]


def _escaped(*given: Any, **settings: Any) -> str:
    return json.dumps(*given, **settings).replace("<", "\\u003c")
