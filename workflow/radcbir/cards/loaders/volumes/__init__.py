"""Encoders that take a whole series as one volume."""

LENGTH = {"type": "number", "exclusiveMinimum": 0}

VOLUMES: dict = {
    "only": ("size", "resize", "range", "orientation", "spacing", "crop"),
    "required": ["resize", "range", "orientation"],
    "allOf": [],
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
    },
}
"""How a volume becomes the input (:func:`radcbir.encoders.volumes.prepared`), for all loaders of
encoders that take volumes."""
