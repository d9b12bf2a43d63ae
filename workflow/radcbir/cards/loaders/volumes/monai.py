"""Encoders of the MONAI library, for volumes: CT-FM."""

from radcbir.cards.loaders import NETWORK, Loader
from radcbir.cards.loaders.volumes import volume_keys

LOADER = Loader(
    name="monai",
    version=1,
    module="radcbir.encoders.loaders.monai_encoder",
    libraries=("monai", "nibabel"),
    network=True,
    volumes=True,
    required=(*NETWORK, "options"),
    keys=volume_keys("mean", options={}),
)
