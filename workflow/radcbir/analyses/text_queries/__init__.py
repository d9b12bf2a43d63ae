"""What do texts find?"""

from radcbir.analyses import Analysis

ANALYSIS = Analysis(
    name="text_queries",
    title="Text queries",
    question="Does a model find images by words?",
    section="Which encoder",
    summaries=("text_queries",),
    page="text queries",
    own_rules=True,
    needs_vectors=False,
)
