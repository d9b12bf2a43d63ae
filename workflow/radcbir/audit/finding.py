"""One finding of an audit, as a row of its table."""

from collections.abc import Sequence

FINDING_COLUMNS = ["check", "severity", "what", "count", "examples"]

SHOWN = 5
"""How many examples a finding has."""


def finding(check: str, severity: str, what: str, count: int, examples: Sequence[str] = ()) -> dict:
    """A row of :data:`FINDING_COLUMNS`."""
    listed = "; ".join(map(str, examples[:SHOWN])) + (" ..." if len(examples) > SHOWN else "")
    return {
        "check": check,
        "severity": severity,
        "what": what,
        "count": int(count),
        "examples": listed,
    }
