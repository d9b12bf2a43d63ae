"""The catalogs of an experiment's datasets become one pool, with an image list per split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_folder, digest, write_text


def pool(
    catalogs: Mapping[str, pd.DataFrame],
    experiment: str,
    index_split: str,
    query_splits: Sequence[str],
    labels: str = "single",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pool the catalogs of an experiment's datasets (by name) into one: the images with exactly one
    label.

    With ``labels`` = ``multi`` those with several are pooled too, searched and found: their
    ``labels`` hold the list, their ``label`` is missing, and metrics of one label leave them out
    (:func:`radcbir.metrics.lists.with_one_label`). A split may then have no image with exactly one.

    Returns the pooled catalog (the datasets' columns and ``dataset``; ``patient_id`` becomes
    ``dataset:patient_id``, since two datasets may number their patients alike) and the counts per
    dataset and split: images listed, without a label, with several labels, taken.

    Raises :class:`InputError` where a split is empty or a dataset is named twice; leaks between
    splits and labels that look alike are the audit's to find.
    """
    frames = [catalog.assign(dataset=name) for name, catalog in catalogs.items()]
    pooled = pd.concat(frames, ignore_index=True)
    splits = [index_split, *query_splits]
    present = sorted(pooled["split"].unique())
    pooled = pooled[pooled["split"].isin(splits)].reset_index(drop=True)
    number = pooled["labels"].map(len)
    taken = number >= 1 if labels == "multi" else number == 1
    counts = (
        pooled.assign(listed=1, unlabelled=number == 0, several_labels=number > 1, taken=taken)
        .groupby(["dataset", "split"], as_index=False)[
            ["listed", "unlabelled", "several_labels", "taken"]
        ]
        .sum()
    )
    pooled = pooled[taken].reset_index(drop=True)
    needed = "a label" if labels == "multi" else "exactly one label"
    for split in splits:
        if not (pooled["split"] == split).any():
            raise InputError(
                f"experiment '{experiment}' has no image with {needed} in its split "
                f"'{split}': the datasets "
                f"{', '.join(catalogs)} have the splits {', '.join(present)}; correct "
                "`index_split:` or `query_splits:`"
            )
    if pooled["id"].duplicated().any():
        raise InputError(f"experiment '{experiment}' names a dataset twice: list each dataset once")
    known = pooled["patient_id"].notna()
    pooled.loc[known, "patient_id"] = (
        pooled.loc[known, "dataset"] + ":" + pooled.loc[known, "patient_id"]
    )
    return pooled, counts


def write_splits(pooled: pd.DataFrame, folder: str | Path) -> None:
    """Write the image list of each split as ``{split}.{digest}.tsv`` (columns id, dataset,
    patient).

    As with shards, the name is the content's digest and labels are left out: editing a label
    searches nothing again. Where the pool holds images with several labels, a column
    ``several_labels`` (0, 1) marks them, since they are searched past.
    """
    several = pooled["label"].isna()
    columns = ["id", "dataset", "patient_id", *(["several_labels"] if several.any() else [])]
    with atomic_folder(folder) as temporary:
        for split, images in (
            pooled.assign(several_labels=several.astype(int)).sort_values("id").groupby("split")
        ):
            content = images[columns].to_csv(sep="\t", index=False)
            write_text(temporary / f"{split}.{digest(content.encode())}.tsv", content)


def write_index_labels(pooled: pd.DataFrame, index_split: str, folder: str | Path) -> None:
    """Write ``{digest}.tsv``: id, patient_id and label of the images of the index split that have
    one label.

    It is what models that learn from labels may see. The name is the content's digest, so that
    editing the label of a query fits nothing again.
    """
    taught = pooled[(pooled["split"] == index_split) & pooled["label"].notna()].sort_values("id")
    content = taught[["id", "patient_id", "label"]].to_csv(sep="\t", index=False)
    with atomic_folder(folder) as temporary:
        write_text(temporary / f"{digest(content.encode())}.tsv", content)


def read_index_labels(path: str | Path) -> pd.DataFrame:
    """The table of :func:`write_index_labels`; ``patient_id`` is None where unknown."""
    table = pd.read_csv(
        path,
        sep="\t",
        dtype={"id": np.int64, "patient_id": object, "label": str},
        na_values={"patient_id": [""]},
        keep_default_na=False,
    )
    table["patient_id"] = table["patient_id"].where(table["patient_id"].notna(), None)
    return table


def read_split(path: str | Path) -> pd.DataFrame:
    """The image list of a split: ``id`` (int64), ``dataset``, ``patient_id`` (None where unknown),
    ``several_labels``.
    """
    table = pd.read_csv(
        path,
        sep="\t",
        dtype={"id": np.int64, "dataset": str, "patient_id": object},
        na_values=[""],
        keep_default_na=False,
    )
    table["patient_id"] = table["patient_id"].where(table["patient_id"].notna(), None)
    table["several_labels"] = (
        table["several_labels"].astype(bool) if "several_labels" in table else False
    )
    return table
