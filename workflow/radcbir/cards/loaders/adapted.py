"""A model in another space: a linear map, fitted on the index split, of the vectors of its base."""

from radcbir.cards import derived
from radcbir.cards.loaders import Loader

LOADER = Loader(
    name=derived.ADAPTED,
    required=("licence", derived.ADAPTED),
    keys={
        derived.ADAPTED: derived.key(
            derived.ADAPTED,
            "Whose vectors are adapted, and how. pca_whitening and wccn keep what they do not know; "
            "lda and projection keep what tells the labels of the index apart.",
            {
                "components": {
                    "description": "How long the adapted vectors are at most.",
                    "type": "integer",
                    "minimum": 2,
                },
                "loss": {
                    "description": "contrastive: images of a label attract one another; proxy: "
                    "each label has a vector that attracts its images.",
                    "enum": ["contrastive", "proxy"],
                },
                "steps": {
                    "description": "How many steps of gradient descent there are.",
                    "type": "integer",
                    "minimum": 1,
                },
                "seed": {
                    "description": "Which images a step sees.",
                    "type": "integer",
                    "minimum": 0,
                },
            },
        )
    },
)
