"""Transformers of crops with a second one that combines the crops, for CT volumes: SPECTRE."""

from radcbir.cards.loaders import NETWORK, Loader
from radcbir.cards.loaders.volumes import volume_keys

LOADER = Loader(
    name="spectre",
    version=1,
    module="radcbir.encoders.loaders.spectre_encoder",
    libraries=("timm", "nibabel"),
    network=True,
    volumes=True,
    required=NETWORK,
    keys=volume_keys("cls"),
)
