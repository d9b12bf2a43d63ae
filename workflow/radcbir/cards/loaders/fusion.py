"""Several models as one: made from the embeddings of its members."""

from radcbir.cards.loaders import Loader

LOADER = Loader(
    name="fusion",
    required=("licence", "fusion"),
    keys={
        "fusion": {
            "description": "Which models are put together, and how.",
            "type": "object",
            "required": ["of", "by"],
            "additionalProperties": False,
            "properties": {
                "of": {
                    "description": "Slugs of the members; `models:` names each of them too.",
                    "type": "array",
                    "minItems": 2,
                    "uniqueItems": True,
                    "items": {"type": "string"},
                },
                "by": {
                    "description": "concatenation: vectors side by side, the mean of cosine "
                    "similarities; score: the mean of z-scores; reciprocal_rank: the sum of "
                    "1 / (60 + rank).",
                    "enum": ["concatenation", "score", "reciprocal_rank"],
                },
            },
        },
    },
)
