"""When can a neighbor be believed?"""

from typing import Any

from radcbir.analyses import Analysis, Project


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    return dict(project.settings["confidence"])


ANALYSIS = Analysis(
    name="confidence",
    title="The chance that a hit is right",
    question="When can a neighbor be believed?",
    section="Can I trust it",
    tables=("confidence", "reliability", "risk_coverage", "first_right", "sets", "unlike"),
    reported={"confidence": "the chance that a hit is right (CSV)"},
    figures={
        "reliability": "are the chances what they say",
        "risk_coverage": "how right are the sure hits, and how many hits are enough",
    },
    page="the chance that a hit is right (tables)",
    needs_vectors=False,
    settings=_settings,
)
