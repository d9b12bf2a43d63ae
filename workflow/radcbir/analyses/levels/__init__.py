"""Are modality, region and finding right, each on its own?"""

from radcbir.analyses import Analysis

ANALYSIS = Analysis(
    name="levels",
    title="Modality, region, finding",
    question="How far off are the errors: modality, region or finding?",
    section="Errors",
    tables=("precision", "conditional", "outcomes"),
    reported={"conditional": "finding given the right region (CSV)"},
    figures={
        "levels": "modality, region, finding apart",
        "conditional": "finding given the right region",
        "outcomes": "anatomy against pathology",
    },
    needs_vectors=False,
)
