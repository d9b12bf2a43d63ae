"""The image tower of MedCLIP, a Swin-T with a projection, built by the transformers library."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys

LOADER = Loader(
    name="medclip",
    version=1,
    module="radcbir.encoders.loaders.transformers_encoder",
    libraries=("transformers",),
    network=True,
    required=NETWORK,
    keys=network_keys(
        weights={"only": (*SOURCE, "unused")},
        pooling={"enum": ["projection"]},
    ),
)
