"""How good is the order of neighbors that are partly right?"""

from radcbir.analyses import Analysis

ANALYSIS = Analysis(
    name="graded_relevance",
    title="Graded relevance",
    question="How good is the order of neighbors that are partly right?",
    section="Errors",
    tables=("graded_relevance",),
    figures={"graded_relevance": "graded relevance"},
    page="graded relevance (table)",
    one_label=False,
)
