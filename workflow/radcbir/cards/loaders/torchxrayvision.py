"""Networks of the torchxrayvision library, which also resizes their images."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys

LOADER = Loader(
    name="torchxrayvision",
    version=1,
    module="radcbir.encoders.loaders.torchxrayvision_encoder",
    libraries=("torchxrayvision", "torchvision", "skimage"),
    network=True,
    required=NETWORK,
    keys=network_keys(
        weights={"only": SOURCE},
        pooling={"enum": ["pooled"]},
        preprocessing={
            "only": ("size", "resize", "crop_pct", "interpolation", "crop_start", "mean", "std"),
            "properties": {"resize": {"const": "library"}},
        },
    ),
)
