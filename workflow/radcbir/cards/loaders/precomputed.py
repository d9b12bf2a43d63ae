"""Models whose embeddings, or whose neighbor lists, exist already: nothing is encoded for them."""

from radcbir.cards.loaders import Loader

LOADER = Loader(
    name="precomputed",
    required=("path",),
    keys={
        "path": {
            "description": "The file that holds the embeddings, {dataset} in place of the "
            "dataset's name: HDF5 of this workflow or with one dataset per image (.h5), a FAISS "
            "index (.index), neighbor lists without embeddings (.csv), or a folder with an .h5 file "
            "per volume (it ends with /).",
            "type": "string",
            "pattern": r"^(.+(\.h5|\.hdf5|\.index|/)|[^{]+\.csv|.*\{dataset\})$",
        },
        "files": {
            "description": "Dataset -> what replaces {dataset} in the path, where it is not the "
            "dataset's name.",
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1},
        },
        "metadata": {
            "description": "The JSON list of the paths behind a FAISS index, in its order.",
            "type": "string",
            "minLength": 1,
        },
        "architecture": {},
        "pooling": {},
        "dimension": {},
    },
    conditions=(
        {
            "if": {"properties": {"path": {"pattern": r"\.index$"}}, "required": ["path"]},
            "then": {"required": ["metadata"]},
        },
    ),
)
