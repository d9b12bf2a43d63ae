"""The lists of a dataset's volumes, for encoders that take a whole series: what a job reads and what
its ids stand for.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.core.files import atomic_folder, digest, write_text
from radcbir.core.logs import logger
from radcbir.datasets.shards import shard_bounds
from radcbir.retrieval.units.catalog import units_of

NO_SERIES = "it is in no series"


def write_volumes(catalog: pd.DataFrame, dataset: str, folder: str | Path, size: int) -> None:
    """Write the lists ``{digest}.tsv`` of about ``size`` series each (columns series, id, path,
    bytes, and content as :func:`radcbir.datasets.shards.write_shards` has it).

    A series has the id that it has in experiments with `unit: series`. The name is the digest of
    the content: labels and splits do not change it, and a series that is added or removed changes
    one list. Raises as :func:`radcbir.retrieval.units.catalog.units_of` does.
    """
    splits = sorted(catalog["split"].dropna().unique())
    members = units_of(catalog, dataset, "series", splits).members
    columns = ["id", "path", "bytes"]
    columns += ["content"] if (catalog["content"] != "").any() else []
    rows = members.merge(catalog[columns], left_on="image", right_on="id").drop(columns="image")
    rows = rows.rename(columns={"unit": "series"}).sort_values("series", kind="stable")
    series = rows["series"].unique()
    with atomic_folder(folder) as temporary:
        for start, stop in shard_bounds(series, size):
            part = rows[rows["series"].between(series[start], series[stop - 1])]
            content = part.to_csv(sep="\t", index=False)
            write_text(temporary / f"{digest(content.encode())}.tsv", content)
    logger.info("%d series of %d images", len(series), len(rows))


def by_image(
    embedded: np.ndarray,
    rejected: pd.DataFrame,
    catalog: pd.DataFrame,
    lists: Iterable[str | Path],
) -> tuple[np.ndarray, pd.DataFrame]:
    """What became of a dataset's images, where its series were embedded as volumes.

    ``embedded`` are ids of series (n,), ``rejected`` has id, path and reason of the others,
    ``catalog`` id and path of all images, ``lists`` are those of :func:`write_volumes`. Returns the
    same of images: those of an embedded series are embedded, those of a rejected one and those
    without a series are rejected.
    """
    members = pd.concat([pd.read_csv(each, sep="\t") for each in lists], ignore_index=True)
    reasons = members["series"].map(rejected.set_index("id")["reason"])
    out = members.assign(reason=reasons)[reasons.notna()]
    without = catalog[~catalog["id"].isin(members["id"])].assign(reason=NO_SERIES)
    columns = ["id", "path", "reason"]
    lost = pd.concat([out[columns], without[columns]], ignore_index=True)
    return members.loc[members["series"].isin(embedded), "id"].to_numpy(np.int64), lost
