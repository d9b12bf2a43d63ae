"""Transformers of the Primus kind with a projection and attention pooling, for CT volumes: COLIPRI."""

from radcbir.cards.loaders import NETWORK, Loader
from radcbir.cards.loaders.volumes import volume_keys

LOADER = Loader(
    name="primus",
    version=1,
    module="radcbir.encoders.loaders.primus_encoder",
    libraries=("timm", "nibabel"),
    network=True,
    volumes=True,
    required=NETWORK,
    keys=volume_keys("projection"),
)
