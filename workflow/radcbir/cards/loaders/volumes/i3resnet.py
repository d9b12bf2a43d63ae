"""Residual networks inflated to three dimensions, for CT volumes: Merlin, Astra."""

from radcbir.cards.loaders import NETWORK, Loader
from radcbir.cards.loaders.volumes import volume_keys

LOADER = Loader(
    name="i3resnet",
    version=1,
    module="radcbir.encoders.loaders.i3resnet_encoder",
    libraries=("torchvision", "nibabel"),
    network=True,
    volumes=True,
    required=NETWORK,
    keys=volume_keys("pooled"),
)
