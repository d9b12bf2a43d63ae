"""What a bundle holds: names of its files, and the columns that it says of an image."""

from collections.abc import Iterable

from radcbir.export.form import COLUMNS

CRATE = "ro-crate-metadata.json"
CROISSANT = "croissant.json"
README = "README.md"
EXPERIMENT = "experiment.json"
IMAGES = "images.parquet"

SAID = (*COLUMNS, "modality", "region")
"""The columns of the experiment's catalog that a bundle has. Paths and patients are pseudonyms where
the project has them. Texts, sex, age and dates are not in it."""

TABLES = ("precision.csv", "summary.csv", "by_group.csv", "per_query.parquet")
"""The tables of the retrieval metrics that are computed again."""


def embedded(model: str) -> str:
    """The list of the images that have a vector of a model."""
    return f"models/{model}/embedded.parquet"


def neighbors(model: str, split: str) -> str:
    """The neighbors of a query split by a model."""
    return f"models/{model}/neighbors/{split}.parquet"


def table(model: str, name: str) -> str:
    """A table of the retrieval metrics of a model."""
    return f"models/{model}/metrics/{name}"


def is_table(name: str) -> bool:
    """Whether a file is a table of the retrieval metrics of a model, by its name."""
    parts = name.split("/")
    return len(parts) == 4 and parts[0] == "models" and parts[2] == "metrics"


def files(models: Iterable[str], splits: Iterable[str]) -> list[str]:
    """All files of a bundle but the crate's own, in order."""
    splits = list(splits)
    found = [README, EXPERIMENT, IMAGES, CROISSANT]
    for model in models:
        found += [embedded(model), *(neighbors(model, each) for each in splits)]
        found += [table(model, each) for each in TABLES]
    return found
