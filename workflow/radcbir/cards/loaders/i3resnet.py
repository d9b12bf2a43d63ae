"""Residual networks inflated to three dimensions, for CT volumes: Merlin, Astra."""

from radcbir.cards.loaders import NETWORK, SOURCE, Loader, network_keys

LENGTH = {"type": "number", "exclusiveMinimum": 0}

PREPROCESSING = {
    "only": ("size", "resize", "range", "orientation", "spacing", "crop"),
    "required": ["size", "resize", "range", "orientation"],
    "allOf": [],
    "properties": {
        "size": {
            "description": "Voxels of the input along its three axes.",
            "type": "array",
            "items": {"type": "integer", "minimum": 8, "maximum": 1024},
            "minItems": 3,
            "maxItems": 3,
        },
        "resize": {
            "description": "area: the whole volume, each voxel the mean of what it covers. "
            "pad_or_crop: the middle, filled with the lower end of the range.",
            "enum": ["area", "pad_or_crop"],
        },
        "range": {"if": {}, "type": "object", "required": ["hounsfield"]},
        "orientation": {
            "description": "Where the axes run, such as RAS: to the right, to the front, up.",
            "type": "string",
            "pattern": "^(?=.*[RL])(?=.*[AP])(?=.*[SI])[RLAPSI]{3}$",
        },
        "spacing": {
            "description": "Distance of voxels along the axes in mm; by default it is kept.",
            "type": "array",
            "items": LENGTH,
            "minItems": 3,
            "maxItems": 3,
        },
        "crop": {
            "description": "foreground: to the box of all values above the lower end of the range.",
            "enum": ["foreground"],
        },
    },
}

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
        preprocessing=PREPROCESSING,
    ),
)
