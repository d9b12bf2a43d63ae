"""Which of the structures that a query shows do its first results show, too?"""

from radcbir.analyses import Analysis

ANALYSIS = Analysis(
    name="region_recall",
    title="Region recall",
    question="Which of the structures that a query shows do its first results show, too?",
    section="Errors",
    tables=("region_recall", "by_label"),
    reported={
        "region_recall": "region recall, mean over labels (CSV)",
        "by_label": "region recall by label (CSV)",
    },
    figures={"region_recall": "region recall by label"},
    page="region recall (tables)",
    needs_vectors=False,
    one_label=False,
)
