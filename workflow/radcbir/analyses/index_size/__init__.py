"""Does a larger index help?"""

from radcbir.analyses import Analysis, vector_models

ANALYSIS = Analysis(
    name="index_size",
    title="Index size",
    question="Does a larger index help?",
    section="Cost",
    tables=("index_size",),
    reported={"index_size": "effect of index size (CSV)"},
    models=vector_models,
    figures={"index_size": "effect of index size"},
)
