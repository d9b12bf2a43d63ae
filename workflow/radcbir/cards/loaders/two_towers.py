"""Models of radiographs and reports that no library builds: BioViL, BioViL-T, CXR-CLIP,
Mammo-CLIP.
"""

from radcbir.cards.loaders import NETWORK, Loader, network_keys

LOADER = Loader(
    name="two_towers",
    version=1,
    module="radcbir.encoders.loaders.two_towers",
    libraries=("torchvision", "timm", "transformers"),
    network=True,
    text=True,
    required=NETWORK,
    keys=network_keys(
        weights={
            "only": ("hub", "revision", "files", "prefix", "unused", "renamed"),
            "required": ["files"],
        },
        pooling={"enum": ["projection"]},
    ),
)
