"""Models of images and texts of the open_clip library."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys

LOADER = Loader(
    name="open_clip",
    version=1,
    module="radcbir.encoders.loaders.open_clip_encoder",
    libraries=("open_clip", "timm", "transformers"),
    network=True,
    text=True,
    required=NETWORK,
    keys=network_keys(
        weights={
            "only": (*SOURCE, "layout", "prefix", "unused", "renamed", "random_seed"),
            "properties": {"layout": {"enum": ["unicl"]}},
        },
        pooling={"enum": ["projection"]},
        options={},
    ),
)
