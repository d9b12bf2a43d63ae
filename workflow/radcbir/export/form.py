"""What an export holds: names of its files, columns, and the version of the form."""

import pyarrow as pa

FORMAT = 1
"""The version of the form; a reader refuses a later one."""

MANIFEST = "manifest.json"
VECTORS = "vectors.parquet"
INDEX = "index.faiss"

COLUMNS = ("id", "dataset", "split", "path", "label", "labels", "patient_id")
"""What is said of an image: the columns of these names in the catalog of the experiment. Paths and
patients are pseudonyms where the project has them. Texts, sex, age and dates are not exported."""


def neighbors(split: str) -> str:
    """The file with the neighbors of a query split."""
    return f"neighbors/{split}.parquet"


def files(query_splits: list[str]) -> list[str]:
    """All files of an export but the manifest."""
    return [VECTORS, INDEX, *(neighbors(each) for each in query_splits)]


def schema(dimension: int) -> pa.Schema:
    """The columns of the table of vectors; ``label`` is missing where an image has several."""
    text = [pa.field(name, pa.string()) for name in COLUMNS if name not in ("id", "labels")]
    fields = {field.name: field for field in text}
    fields["id"] = pa.field("id", pa.int64(), nullable=False)
    fields["labels"] = pa.field("labels", pa.list_(pa.string()), nullable=False)
    number = pa.field("element", pa.float32(), nullable=False)
    vector = pa.field("vector", pa.list_(number, dimension), nullable=False)
    return pa.schema([*(fields[name] for name in COLUMNS), vector])
