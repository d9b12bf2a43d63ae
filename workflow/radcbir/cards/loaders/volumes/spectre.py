"""Transformers of crops with a second one that combines the crops, for CT volumes: SPECTRE."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys
from radcbir.cards.loaders.volumes import VOLUMES

LOADER = Loader(
    name="spectre",
    version=1,
    module="radcbir.encoders.loaders.spectre_encoder",
    libraries=("timm", "nibabel"),
    network=True,
    volumes=True,
    required=NETWORK,
    keys=network_keys(
        weights={"only": (*SOURCE, "prefix", "unused", "random_seed")},
        pooling={"enum": ["cls"]},
        runtime={"enum": ["auto", "torch"]},
        preprocessing=VOLUMES,
    ),
)
