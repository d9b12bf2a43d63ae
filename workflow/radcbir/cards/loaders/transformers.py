"""Models of the transformers library."""

from radcbir.cards.loaders import NETWORK, Loader, network_keys

LOADER = Loader(
    name="transformers",
    version=1,
    module="radcbir.encoders.loaders.transformers_encoder",
    libraries=("transformers",),
    network=True,
    text=True,
    required=NETWORK,
    keys=network_keys(
        weights={"only": ("hub", "revision", "files", "unused"), "required": ["files"]},
        options={},
    ),
)
