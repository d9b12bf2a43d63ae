"""Controls: encoders that have learned nothing."""

from radcbir.cards.loaders import Loader

LOADER = Loader(
    name="control",
    version=1,
    module="radcbir.encoders.loaders.control",
    required=("licence", "architecture", "dimension"),
    keys={
        "architecture": {"enum": ["thumbnail", "histogram"]},
        "dimension": {},
        "batch_size": {},
    },
)
