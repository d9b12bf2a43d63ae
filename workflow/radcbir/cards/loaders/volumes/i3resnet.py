"""Residual networks inflated to three dimensions, for CT volumes: Merlin, Astra."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys
from radcbir.cards.loaders.volumes import VOLUMES

LOADER = Loader(
    name="i3resnet",
    version=1,
    module="radcbir.encoders.loaders.i3resnet_encoder",
    libraries=("torchvision", "nibabel"),
    network=True,
    volumes=True,
    required=NETWORK,
    keys=network_keys(
        weights={"only": (*SOURCE, "prefix", "unused", "random_seed")},
        pooling={"enum": ["pooled"]},
        runtime={"enum": ["auto", "torch"]},
        preprocessing=VOLUMES,
    ),
)
