"""Transformers of the Primus kind with a projection and attention pooling, for CT volumes: COLIPRI."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys
from radcbir.cards.loaders.volumes import VOLUMES

LOADER = Loader(
    name="primus",
    version=1,
    module="radcbir.encoders.loaders.primus_encoder",
    libraries=("timm", "nibabel"),
    network=True,
    volumes=True,
    required=NETWORK,
    keys=network_keys(
        weights={"only": (*SOURCE, "prefix", "unused", "random_seed")},
        pooling={"enum": ["projection"]},
        runtime={"enum": ["auto", "torch"]},
        preprocessing=VOLUMES,
    ),
)
