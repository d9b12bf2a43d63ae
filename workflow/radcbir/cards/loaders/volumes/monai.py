"""Encoders of the MONAI library, for volumes: CT-FM."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys
from radcbir.cards.loaders.volumes import VOLUMES

LOADER = Loader(
    name="monai",
    version=1,
    module="radcbir.encoders.loaders.monai_encoder",
    libraries=("monai", "nibabel"),
    network=True,
    volumes=True,
    required=(*NETWORK, "options"),
    keys=network_keys(
        weights={"only": (*SOURCE, "prefix", "unused", "random_seed")},
        options={},
        pooling={"enum": ["mean"]},
        runtime={"enum": ["auto", "torch"]},
        preprocessing=VOLUMES,
    ),
)
