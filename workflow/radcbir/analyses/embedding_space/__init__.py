"""What is the shape of an embedding space, and which images are hubs?"""

from radcbir.analyses import Analysis, vector_models

ANALYSIS = Analysis(
    name="embedding_space",
    title="Embedding space",
    question="Why does a model retrieve as it does: classes, dimensions and hubs of its space?",
    section="Errors",
    tables=("embedding_space", "hubness"),
    models=vector_models,
    figures={
        "embedding_space": "shape of the embedding spaces",
        "hubness": "hubs and their remedies",
    },
    page="shape of the embedding spaces (tables)",
)
