"""Encoders that take a whole series as one volume."""

from radcbir.cards.loaders import SOURCE, Schema, network_keys

LENGTH = {"type": "number", "exclusiveMinimum": 0}
ONE = {"type": "array", "minItems": 1, "maxItems": 1}

VOLUMES: dict = {
    "only": (
        *("size", "resize", "range", "orientation", "spacing", "crop"),
        *("clip", "grid", "fill", "mean", "std"),
    ),
    "required": ["resize", "range", "orientation"],
    "dependentRequired": {"mean": ["std"], "std": ["mean"]},
    "allOf": [
        {
            "if": {"required": ["fill"]},
            "then": {"properties": {"resize": {"const": "pad_or_crop"}}},
        },
    ],
    "if": {"properties": {"resize": {"const": "keep"}}},
    "then": {"properties": {"size": {"not": {}}}},
    "else": {"required": ["size"]},
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
            "pad_or_crop: the middle, filled with the lower end of the range. keep: as it is, "
            "for networks that take any size.",
            "enum": ["area", "pad_or_crop", "keep"],
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
        "clip": {
            "description": "first: values are clipped to the range before they are resampled; by "
            "default after it.",
            "enum": ["first"],
        },
        "grid": {
            "description": "middle: with `spacing`, the new voxels lie around the volume's middle, "
            "and of an odd number to add or to cut off one more is in front, as TorchIO has it. By "
            "default the first voxels stay where they are, as MONAI has it.",
            "enum": ["middle"],
        },
        "fill": {
            "description": "lowest: with `resize: pad_or_crop`, what is added has the lowest value "
            "that there is within the range; by default its lower end.",
            "enum": ["lowest"],
        },
        "mean": {**ONE, "description": "Taken off after the range has become 0 to 1."},
        "std": {**ONE, "description": "The rest is divided by it."},
    },
}
"""How a volume becomes the input (:func:`radcbir.encoders.volumes.prepared`), for all loaders of
encoders that take volumes."""


def volume_keys(pooling: str, **others: Schema) -> dict[str, Schema]:
    """The keys that the card of a network of volumes has, whose one way to pool is ``pooling``;
    ``others`` are further keys.
    """
    return network_keys(
        weights={"only": (*SOURCE, "prefix", "unused", "random_seed")},
        pooling={"enum": [pooling]},
        runtime={"enum": ["auto", "torch"]},
        preprocessing=VOLUMES,
        **others,
    )
