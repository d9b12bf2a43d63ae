"""Where do images lie in the embedding space?"""

from radcbir.analyses import Analysis

ANALYSIS = Analysis(
    name="map",
    title="Map",
    question="Which images are near each other in the embedding space?",
    section="Errors",
    page="map of the embedding spaces",
    own_rules=True,
    one_label=False,
)
