"""A model whose neighbors are those of its base in another order."""

from radcbir.cards import derived
from radcbir.cards.loaders import Loader

LOADER = Loader(
    name=derived.RERANKED,
    required=("licence", derived.RERANKED),
    keys={
        derived.RERANKED: derived.key(
            derived.RERANKED,
            "Whose neighbors are ordered anew, and how.",
            {
                "neighbors": {
                    "description": "How many neighbors of an image are used.",
                    "type": "integer",
                    "minimum": 1,
                },
                "alpha": {
                    "description": "A neighbor counts by its similarity to this power.",
                    "type": "number",
                    "minimum": 0,
                },
                "expansion": {
                    "description": "How many neighbors' own neighborhoods are averaged.",
                    "type": "integer",
                    "minimum": 1,
                },
                "weight": {
                    "description": "The weight of the cosine distance beside the Jaccard distance.",
                    "type": "number",
                    "minimum": 0,
                    "maximum": 1,
                },
                "reach": {
                    "description": "How far similarity spreads over neighbors of neighbors.",
                    "type": "number",
                    "minimum": 0,
                    "exclusiveMaximum": 1,
                },
            },
        )
    },
)
